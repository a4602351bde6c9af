// What the BSDs and macOS do otherwise than Linux, by calls that all of them have: flags of new descriptors are set by
// a second call, so that a child which is forked between the two (not by posix_spawn, which closes them) inherits one;
// messages go one by one. host_linux.cpp is the same for Linux.
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/host.hpp"
#include "base/host_files.hpp"
#include "base/host_result.hpp"
#include "base/mmsghdr.hpp"

namespace sennit::inline v0::detail {
namespace {

// macOS has SO_NOSIGPIPE, Linux and OpenBSD a flag for each call, FreeBSD both.
#ifdef MSG_NOSIGNAL
constexpr int no_signal = MSG_NOSIGNAL;
#else
constexpr int no_signal = 0;
#endif

bool prepare(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return false;
  return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool prepare_socket(int fd) noexcept {
#ifdef SO_NOSIGPIPE
  const int on = 1;
  // EINVAL: macOS, a connection that its peer has closed already.
  if (::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) != 0 && errno != EINVAL) return false;
#endif
  return prepare(fd);
}

/// The new descriptor, or -errno. One that cannot be prepared is not kept.
int prepared_socket(int fd) noexcept {
  if (fd < 0 || prepare_socket(fd)) return host_result(fd);
  const int error = errno;
  ::close(fd);
  return -error;
}

/// 0 or -errno, of a pair.
int prepared_pair(int result, int ends[2], bool (*prepare_one)(int) noexcept) noexcept {
  if (result < 0 || (prepare_one(ends[0]) && prepare_one(ends[1]))) return host_result(result);
  const int error = errno;
  ::close(ends[0]);
  ::close(ends[1]);
  return -error;
}

/// Descriptors that came with a message: there is no flag for them.
void close_on_exec(const msghdr& message) noexcept {
  auto& header = const_cast<msghdr&>(message);  // what CMSG_NXTHDR of some systems asks for
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
}

/// Several messages by as many calls: how many went, or the first one's error.
template <class Call>
std::ptrdiff_t one_by_one(mmsghdr* messages, std::size_t count, Call&& call) noexcept {
  std::size_t done = 0;
  for (; done < count; ++done) {
    const std::ptrdiff_t result = call(messages[done].msg_hdr);
    if (result < 0) return done == 0 ? result : static_cast<std::ptrdiff_t>(done);
    messages[done].msg_len = static_cast<unsigned>(result);
  }
  return static_cast<std::ptrdiff_t>(done);
}

}  // namespace

std::ptrdiff_t host::send(int fd, const void* data, std::size_t size) noexcept {
  return host_result(::send(fd, data, size, no_signal));
}

std::ptrdiff_t host::recvmsg(int fd, msghdr* message) noexcept {
  const std::ptrdiff_t result = host_result(::recvmsg(fd, message, 0));
  if (result >= 0 && message->msg_controllen > 0) close_on_exec(*message);
  return result;
}

std::ptrdiff_t host::sendmsg(int fd, const msghdr* message) noexcept {
  return host_result(::sendmsg(fd, message, no_signal));
}

int host::socket(int family, int type, int protocol) noexcept {
  return prepared_socket(::socket(family, type, protocol));
}

int host::accept(int fd, sockaddr* address, socklen_t* size) noexcept {
  return prepared_socket(::accept(fd, address, size));
}

std::ptrdiff_t host::recvmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept {
  return one_by_one(messages, count, [&](msghdr& m) { return host::recvmsg(fd, &m); });
}

std::ptrdiff_t host::sendmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept {
  return one_by_one(messages, count, [&](const msghdr& m) { return host::sendmsg(fd, &m); });
}

int host::socketpair(int family, int type, int ends[2]) noexcept {
  return prepared_pair(::socketpair(family, type, 0, ends), ends, prepare_socket);
}

int host::pipe(int ends[2]) noexcept { return prepared_pair(::pipe(ends), ends, prepare); }

int host::poll(pollfd* fds, std::size_t count, nanos deadline) noexcept {
  int wait = -1;
  if (deadline != never) {
    // Rounded up: who finds its time not yet come would poll again and again. Beyond 24 days it is cut short.
    constexpr nanos millisecond = 1'000'000;
    const nanos left = std::max<nanos>(deadline - now(), 0);
    const nanos rounded = left / millisecond + (left % millisecond != 0 ? 1 : 0);
    wait = static_cast<int>(std::min<nanos>(rounded, std::numeric_limits<int>::max()));
  }
  return host_result(::poll(fds, static_cast<nfds_t>(count), wait));
}

// Each of them has one of its own, and some have none: who asks reads and writes instead.
std::ptrdiff_t file_calls::send_file(int, int, std::int64_t, std::size_t) noexcept { return -ENOSYS; }

std::uint64_t host::random() noexcept {
  std::uint64_t value = 0;
  if (::getentropy(&value, sizeof value) != 0) value = static_cast<std::uint64_t>(now());
  return value;
}

}  // namespace sennit::inline v0::detail

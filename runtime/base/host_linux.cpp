// What Linux has calls of its own for, or flags that spare a second call. host_bsd.cpp is the same for the BSDs and
// macOS.
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <ctime>

#include "base/host.hpp"
#include "base/host_files.hpp"
#include "base/host_result.hpp"

namespace sennit::inline v0::detail {

std::ptrdiff_t host::send(int fd, const void* data, std::size_t size) noexcept {
  return host_result(::send(fd, data, size, MSG_NOSIGNAL));
}

std::ptrdiff_t host::recvmsg(int fd, msghdr* message) noexcept {
  return host_result(::recvmsg(fd, message, MSG_CMSG_CLOEXEC));
}

std::ptrdiff_t host::sendmsg(int fd, const msghdr* message) noexcept {
  return host_result(::sendmsg(fd, message, MSG_NOSIGNAL));
}

int host::socket(int family, int type, int protocol) noexcept {
  return host_result(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

int host::accept(int fd, sockaddr* address, socklen_t* size) noexcept {
  return host_result(::accept4(fd, address, size, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

std::ptrdiff_t host::recvmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept {
  return host_result(::recvmmsg(fd, messages, static_cast<unsigned>(count), MSG_CMSG_CLOEXEC, nullptr));
}

std::ptrdiff_t host::sendmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept {
  return host_result(::sendmmsg(fd, messages, static_cast<unsigned>(count), MSG_NOSIGNAL));
}

int host::socketpair(int family, int type, int ends[2]) noexcept {
  return host_result(::socketpair(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
}

int host::pipe(int ends[2]) noexcept { return host_result(::pipe2(ends, O_CLOEXEC | O_NONBLOCK)); }

int host::poll(pollfd* fds, std::size_t count, nanos deadline) noexcept {
  std::timespec wait{};
  if (deadline != never) {
    const nanos left = deadline - now();
    if (left > 0) wait = {static_cast<std::time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
  }
  return host_result(::ppoll(fds, count, deadline == never ? nullptr : &wait, nullptr));
}

std::ptrdiff_t file_calls::send_file(int to, int file, std::int64_t offset, std::size_t size) noexcept {
  off_t at = offset;
  return host_result(::sendfile(to, file, &at, size));
}

std::uint64_t host::random() noexcept {
  std::uint64_t value = 0;
  // Before the kernel's pool is ready (early boot) the clock has to do: only scheduling depends on it.
  if (::getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value) value = static_cast<std::uint64_t>(now());
  return value;
}

}  // namespace sennit::inline v0::detail

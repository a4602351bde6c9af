#include "base/host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "base/host_result.hpp"

namespace sennit::inline v0::detail {
std::ptrdiff_t host::read(int fd, void* data, std::size_t size) noexcept { return host_result(::read(fd, data, size)); }

std::ptrdiff_t host::write(int fd, const void* data, std::size_t size) noexcept {
  return host_result(::write(fd, data, size));
}

std::ptrdiff_t host::recv(int fd, void* data, std::size_t size) noexcept {
  return host_result(::recv(fd, data, size, 0));
}

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

int host::connect(int fd, const sockaddr* address, socklen_t size) noexcept {
  return host_result(::connect(fd, address, size));
}

int host::bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  return host_result(::bind(fd, address, size));
}

int host::listen(int fd, int backlog) noexcept { return host_result(::listen(fd, backlog)); }

int host::shutdown(int fd, int how) noexcept { return host_result(::shutdown(fd, how)); }

int host::getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  return host_result(::getsockopt(fd, level, name, value, size));
}

int host::setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  return host_result(::setsockopt(fd, level, name, value, size));
}

int host::getsockname(int fd, sockaddr* address, socklen_t* size) noexcept {
  return host_result(::getsockname(fd, address, size));
}

int host::getpeername(int fd, sockaddr* address, socklen_t* size) noexcept {
  return host_result(::getpeername(fd, address, size));
}

int host::close(int fd) noexcept { return host_result(::close(fd)); }

std::ptrdiff_t host::readv(int fd, const iovec* parts, std::size_t count) noexcept {
  return host_result(::readv(fd, parts, static_cast<int>(count)));
}

std::ptrdiff_t host::writev(int fd, const iovec* parts, std::size_t count) noexcept {
  return host_result(::writev(fd, parts, static_cast<int>(count)));
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

int host::unlink(const char* path) noexcept { return host_result(::unlink(path)); }

bool host::is_socket(const char* path) noexcept {
  struct stat found{};
  return ::lstat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

int host::poll(pollfd* fds, std::size_t count, nanos deadline) noexcept {
  std::timespec wait{};
  if (deadline != never) {
    const nanos left = deadline - now();
    if (left > 0) wait = {static_cast<std::time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
  }
  return host_result(::ppoll(fds, count, deadline == never ? nullptr : &wait, nullptr));
}

nanos host::now() noexcept {
  std::timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return nanos{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::uint64_t host::random() noexcept {
  std::uint64_t value = 0;
  // Before the kernel's pool is ready (early boot) the clock has to do: only scheduling depends on it.
  if (::getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value) value = static_cast<std::uint64_t>(now());
  return value;
}

host& system_host() noexcept {
  // Never destroyed: descriptors are closed by static destructors too.
  static host* const it = new host;
  return *it;
}

}  // namespace sennit::inline v0::detail

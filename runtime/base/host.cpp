#include "base/host.hpp"

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

int host::unlink(const char* path) noexcept { return host_result(::unlink(path)); }

bool host::is_socket(const char* path) noexcept {
  struct stat found{};
  return ::lstat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

nanos host::now() noexcept {
  std::timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return nanos{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

host& system_host() noexcept {
  // Never destroyed: descriptors are closed by static destructors too.
  static host* const it = new host;
  return *it;
}

}  // namespace sennit::inline v0::detail

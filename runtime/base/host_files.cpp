#include "base/host_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "base/host.hpp"
#include "base/host_result.hpp"

namespace sennit::inline v0::detail {
int file_calls::open(const char* path, int flags, unsigned permissions) noexcept {
  return host_result(::open(path, flags | O_CLOEXEC, static_cast<mode_t>(permissions)));
}

std::int64_t file_calls::seek(int fd, std::int64_t offset, int whence) noexcept {
  return host_result(std::int64_t{::lseek(fd, offset, whence)});
}

int file_calls::resize(int fd, std::int64_t size) noexcept { return host_result(::ftruncate(fd, size)); }

int file_calls::status(int fd, struct stat& into) noexcept { return host_result(::fstat(fd, &into)); }

int file_calls::status(const char* path, bool follow, struct stat& into) noexcept {
  return host_result(follow ? ::stat(path, &into) : ::lstat(path, &into));
}

int file_calls::flags(int fd) noexcept { return host_result(::fcntl(fd, F_GETFL)); }

int file_calls::set_nonblocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  return host_result(flags < 0 ? flags : ::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int file_calls::rename(const char* from, const char* to) noexcept { return host_result(::rename(from, to)); }

int file_calls::unlink(const char* path) noexcept { return host_result(::unlink(path)); }

int file_calls::rmdir(const char* path) noexcept { return host_result(::rmdir(path)); }

int file_calls::mkdir(const char* path, unsigned permissions) noexcept {
  return host_result(::mkdir(path, static_cast<mode_t>(permissions)));
}

file_calls& host::files() noexcept {
  static auto* const it = new file_calls;  // never destroyed, as the host itself
  return *it;
}

}  // namespace sennit::inline v0::detail

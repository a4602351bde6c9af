// The calls on files that macOS has otherwise than Linux. host_files_linux.cpp is the same for Linux.
#include <dirent.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "base/host_files.hpp"
#include "base/host_result.hpp"

extern "C" ssize_t __getdirentries64(int fd, void* into, size_t size, off_t* position);  // what readdir() is made of

namespace sennit::inline v0::detail {

std::ptrdiff_t file_calls::readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept {
  if (flags == in_memory) return -EOPNOTSUPP;
  return host_result(offset < 0 ? ::readv(fd, parts, count) : ::preadv(fd, parts, count, offset));
}

std::ptrdiff_t file_calls::writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept {
  if (flags == in_memory) return -EOPNOTSUPP;
  return host_result(offset < 0 ? ::writev(fd, parts, count) : ::pwritev(fd, parts, count, offset));
}

// fsync() leaves the bytes in the drive's own memory. Not every file system has more.
int file_calls::sync(int fd, bool) noexcept {
  const int result = host_result(::fcntl(fd, F_FULLFSYNC));
  const bool unknown = result == -ENOTSUP || result == -ENOTTY || result == -EINVAL;
  return unknown ? host_result(::fsync(fd)) : result;
}

std::ptrdiff_t file_calls::list(int fd, void* into, std::size_t size) noexcept {
  off_t position = 0;
  return host_result(std::ptrdiff_t{__getdirentries64(fd, into, size, &position)});
}

}  // namespace sennit::inline v0::detail

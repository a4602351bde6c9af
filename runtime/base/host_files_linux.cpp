// The calls on files that Linux has alone. host_files_darwin.cpp is the same for macOS.
#include <dirent.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/host_files.hpp"
#include "base/host_result.hpp"

namespace sennit::inline v0::detail {

std::ptrdiff_t file_calls::readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept {
  return host_result(::preadv2(fd, parts, count, offset, flags == in_memory ? RWF_NOWAIT : 0));
}

std::ptrdiff_t file_calls::writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept {
  return host_result(::pwritev2(fd, parts, count, offset, flags == in_memory ? RWF_NOWAIT : 0));
}

int file_calls::sync(int fd, bool data_only) noexcept { return host_result(data_only ? ::fdatasync(fd) : ::fsync(fd)); }

std::ptrdiff_t file_calls::list(int fd, void* into, std::size_t size) noexcept {
  return host_result(std::ptrdiff_t{::getdents64(fd, into, size)});
}

}  // namespace sennit::inline v0::detail

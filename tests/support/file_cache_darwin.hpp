#pragma once
// Included by file_cache.hpp: a mapping of the file can drop what it is made of.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace sennit::test {

inline int evict(int fd, off_t offset, off_t size) {
  struct stat s{};
  if (::fstat(fd, &s) != 0) return errno;
  const off_t from = offset - offset % ::getpagesize();
  const off_t end = size == 0 ? s.st_size : offset + size;
  if (end <= from) return 0;
  const auto length = static_cast<std::size_t>(end - from);
  void* const mapping = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, from);
  if (mapping == MAP_FAILED) return errno;
  const int result = ::msync(mapping, length, MS_INVALIDATE) == 0 ? 0 : errno;
  ::munmap(mapping, length);
  return result;
}

}  // namespace sennit::test

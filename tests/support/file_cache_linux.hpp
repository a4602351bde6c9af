#pragma once
// Included by file_cache.hpp: by posix_fadvise().
#include <fcntl.h>

namespace sennit::test {

inline int evict(int fd, off_t offset, off_t size) { return ::posix_fadvise(fd, offset, size, POSIX_FADV_DONTNEED); }

}  // namespace sennit::test

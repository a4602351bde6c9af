#pragma once
// The system's memory of files, for tests that want them on the device alone. Each system has a way of its own.
#include <sys/types.h>

namespace sennit::test {

/// Asks the system to forget what it keeps of a file that was synced; from `offset` on, to the end for size 0. 0 or an
/// error.
inline int evict(int fd, off_t offset = 0, off_t size = 0);

}  // namespace sennit::test

#if defined(__APPLE__)
#include "support/file_cache_darwin.hpp"
#else
#include "support/file_cache_linux.hpp"
#endif

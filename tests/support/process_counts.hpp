#pragma once
// What the process has of the system: for tests that must leave nothing behind.
#include <dirent.h>

#include <cstddef>
#include <memory>

namespace sennit::test {

/// Entries of a directory, "." and ".." among them; one more if the directory is that of this process's descriptors.
inline std::size_t entries_of(const char* path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path), ::closedir);
  std::size_t count = 0;
  while (dir != nullptr && ::readdir(dir.get()) != nullptr) ++count;  // NOLINT(concurrency-mt-unsafe): a stream of ours
  return count;
}

inline std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }
inline std::size_t threads_of_process() { return entries_of("/proc/self/task"); }

}  // namespace sennit::test

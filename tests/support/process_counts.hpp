#pragma once
// What the process has of the system: for tests that must leave nothing behind.
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

namespace sennit::test {

/// How many descriptors this process has, and how many of them are of that kind ("io_uring").
inline std::size_t open_descriptors(const std::string& kind = "") {
  std::size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && target.string().find(kind) != std::string::npos) ++n;
  }
  return n;
}
inline std::size_t threads_of_process() {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(threads), end(threads)));
}

}  // namespace sennit::test

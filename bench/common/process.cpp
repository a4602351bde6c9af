#include "common/process.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace bench {
namespace {

/// The figure of a "Name:   123 kB" line, in bytes.
std::uint64_t kib_field(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stoull(line.substr(name.size())) * 1024;
  }
  throw std::system_error(ENOENT, std::generic_category(), path + " has no " + std::string(name));
}

}  // namespace

std::uint64_t raise_open_files(std::uint64_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  const rlimit lifted{.rlim_cur = wanted, .rlim_max = std::max<rlim_t>(wanted, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &lifted) == 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::uint64_t process_cpu_ns(pid_t pid) {
  clockid_t clock{};
  if (const int error = ::clock_getcpuclockid(pid, &clock); error != 0) {
    throw std::system_error(error, std::generic_category(), "CPU clock of process " + std::to_string(pid));
  }
  timespec used{};
  if (::clock_gettime(clock, &used) != 0) {
    throw std::system_error(errno, std::generic_category(), "CPU time of process " + std::to_string(pid));
  }
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(used.tv_nsec);
}

std::uint64_t process_memory_bytes(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  return kib_field(proc + "/smaps_rollup", "Rss:") + kib_field(proc + "/status", "VmPTE:");
}

}  // namespace bench

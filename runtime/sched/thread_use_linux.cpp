#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "base/unique_fd.hpp"
#include "sched/thread_use.hpp"

namespace sennit::inline v0::detail {

nanos thread_cpu_time(pthread_t thread) noexcept {
  clockid_t clock{};
  timespec used{};
  if (pthread_getcpuclockid(thread, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return -1;
  return nanos{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

bool thread_waits(pthread_t thread) noexcept {
  // The number of a thread's CPU clock is made from its id, the only thing by which /proc knows it (Linux,
  // include/linux/posix-timers.h).
  clockid_t clock{};
  if (pthread_getcpuclockid(thread, &clock) != 0) return false;
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/stat", ~(clock >> 3));
  const unique_fd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text;
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  // "id (name) state ...", and a name may hold anything.
  const std::string_view line(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto name_end = line.rfind(')');
  return name_end != std::string_view::npos && name_end + 2 < line.size() && line[name_end + 2] != 'R';
}

}  // namespace sennit::inline v0::detail

#pragma once
// wake_2_workers, for all systems of C++ that a plain thread can give work to.
#include <atomic>
#include <vector>

#include "common/program.hpp"

namespace bench {

/// From a plain thread, again and again for `seconds`: spawn(f) makes the other thread run f; reports nanoseconds from
/// before the spawn to the beginning of f, the median.
inline void measure_wakes(const char* name, double seconds, auto&& spawn) {
  std::vector<double> each;
  for (const double begin = wall_seconds(); each.size() < 9 || wall_seconds() < begin + seconds;) {
    std::atomic<bool> over{false};
    steady::time_point ran;
    const auto called = steady::now();
    spawn([&] {
      ran = steady::now();
      over.store(true, std::memory_order_release);
    });
    while (!over.load(std::memory_order_acquire)) {}
    each.push_back(std::chrono::duration<double, std::nano>(ran - called).count());
  }
  report(name, median(each));
}

}  // namespace bench

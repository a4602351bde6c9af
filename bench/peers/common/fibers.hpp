#pragma once
// The workloads of the groups sched and memory, and one of sync, once for all systems of C++ that have fibers (or
// threads) with a stack each. What a workload needs of them is a System, a struct of static members:
//
//   on_workers(workers, f)  runs f in a fiber of a scheduler with so many workers
//   yield()
//   spawn(f)                a handle of the fiber that runs f: default-constructible, movable, join()
//   wave(count, f)          spawns fibers that run f(0) to f(count - 1) and waits for all, as its users would
//   fork(count, f)          the same for few fibers with children of their own
//   gate                    wait() parks until set()
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "common/program.hpp"

namespace bench {

/// wave() and fork() of a system that has nothing but handles to join.
template <class System>
void join_each(std::size_t count, auto&& f) {
  std::vector<decltype(System::spawn([] {}))> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) all.push_back(System::spawn([&f, i] { f(i); }));
  for (auto& fiber : all) fiber.join();
}

/// A gate of a mutex and a condition variable.
template <class Mutex, class Condition>
class condition_gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
  }
  void set() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  Mutex mutex_;
  Condition opened_;
  bool open_ = false;
};

inline void need_memory(double bytes) {
  if (bytes_in("/proc/meminfo", "MemAvailable") < bytes)
    throw cannot(std::to_string(static_cast<long>(bytes / (1 << 20))) + " MiB of memory are not free");
}
constexpr double most_per_fiber = 12 << 10;  // bytes that any of the systems takes

/// `count` fibers yield in turn, each from `sites` places of the program. The time begins when all have started, and
/// none ends before it is over: who has yielded enough parks.
template <class System, int sites = 1>
void yields(const char* name, double seconds, std::size_t count, unsigned workers = 1) {
  static_assert(sites == 1 || sites == 8);
  System::on_workers(workers, [&] {
    measure_timed(name, seconds, static_cast<double>(count) * sites, [&](std::uint64_t n) {
      std::atomic<std::size_t> started{0};
      std::atomic<std::size_t> left{count};
      std::atomic<bool> begun{false};
      double end = 0;
      typename System::gate over;
      std::vector<decltype(System::spawn([] {}))> all(count);
      for (auto& fiber : all) {
        fiber = System::spawn([&] {
          ++started;
          while (!begun.load(std::memory_order_acquire)) System::yield();
          for (std::uint64_t i = 0; i < n; ++i) {
            System::yield();
            if constexpr (sites == 8) {
              System::yield();
              System::yield();
              System::yield();
              System::yield();
              System::yield();
              System::yield();
              System::yield();
            }
          }
          if (--left != 0) return over.wait();
          end = wall_seconds();
          over.set();
        });
      }
      while (started != count) System::yield();
      const double begin = wall_seconds();
      begun.store(true, std::memory_order_release);
      for (auto& fiber : all) fiber.join();
      return end - begin;
    });
  });
}

template <class System>
void spawn_join(double seconds) {
  System::on_workers(1, [&] {
    measure("spawn_join", seconds, 1, [](std::uint64_t n) {
      for (std::uint64_t i = 0; i < n; ++i) System::spawn([] {}).join();
    });
  });
}

template <class System>
void spawn_wave_1k(double seconds) {
  System::on_workers(1, [&] {
    measure("spawn_wave_1k", seconds, 1000, [](std::uint64_t n) {
      for (std::uint64_t i = 0; i < n; ++i) System::wave(1000, [](std::size_t) {});
    });
  });
}

/// The second of two batches, and the most memory that the process has had.
template <class System>
void spawn_1m(double seconds) {
  const std::size_t count = full(1'000'000, seconds);
  need_memory(static_cast<double>(count) * most_per_fiber);
  System::on_workers(1, [&] {
    double took = 0;
    for (int batch = 0; batch < 2; ++batch) {
      const double begin = wall_seconds();
      System::wave(count, [](std::size_t) {});
      took = wall_seconds() - begin;
    }
    report("spawn_1m", took * 1e9 / static_cast<double>(count));
    report("spawn_1m_peak", bytes_in("/proc/self/status", "VmHWM") / (1 << 20));
  });
}

/// The sum of the `leaves` numbers from `first` on.
template <class System>
std::uint64_t skynet_sum(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  std::array<std::uint64_t, 10> sums{};
  const std::uint64_t each = leaves / sums.size();
  System::fork(sums.size(), [&](std::size_t i) { sums[i] = skynet_sum<System>(first + i * each, each); });
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

/// The second of two runs, in milliseconds.
template <class System>
void skynet(const char* name, double seconds, unsigned workers) {
  const std::uint64_t leaves = full(1'000'000, seconds);
  System::on_workers(workers, [&] {
    double took = 0;
    for (int run = 0; run < 2; ++run) {
      const double begin = wall_seconds();
      if (skynet_sum<System>(0, leaves) != leaves * (leaves - 1) / 2) fail("skynet: wrong sum");
      took = wall_seconds() - begin;
    }
    report(name, took * 1e3);
  });
}

template <class System, class Mutex>
void mutex_contended(const char* name, double seconds, unsigned workers) {
  static constexpr std::size_t fibers = 8;
  System::on_workers(workers, [&] {
    measure(name, seconds, fibers, [](std::uint64_t n) {
      Mutex m;
      std::uint64_t count = 0;
      System::wave(fibers, [&, n](std::size_t) {
        for (std::uint64_t i = 0; i < n; ++i) {
          const std::lock_guard lock(m);
          ++count;
        }
      });
      if (count != n * fibers) fail("the mutex has let two in");
    });
  });
}

/// What a process has of memory and of the kernel's maps.
struct footprint {
  double bytes = bytes_in("/proc/self/smaps_rollup", "Rss") + bytes_in("/proc/self/status", "VmPTE");
  std::size_t maps = count_maps();

  static std::size_t count_maps() {
    std::FILE* const in = std::fopen("/proc/self/maps", "r");
    std::size_t lines = 0;
    for (int c = 0; in != nullptr && (c = std::fgetc(in)) != EOF;) lines += c == '\n' ? 1 : 0;
    if (lines == 0) fail("/proc/self/maps");
    std::fclose(in);
    return lines;
  }
};

/// Reports NAME_bytes and NAME_maps, by which the process has grown, and NAME_create, microseconds; each per fiber.
inline void report_growth(const std::string& name, double count, const footprint& before, double took) {
  const footprint now;
  report((name + "_bytes").c_str(), std::max(now.bytes - before.bytes, 0.0) / count);
  report((name + "_maps").c_str(), std::max(static_cast<double>(now.maps) - static_cast<double>(before.maps), 0.0));
  report((name + "_create").c_str(), took * 1e6 / count);
}

/// `size` fibers that are parked. The process ends with them: to end each would take as long again.
template <class System>
void parked(const char* name, double seconds, std::size_t size) {
  const std::size_t count = full(size, seconds);
  need_memory(static_cast<double>(count) * most_per_fiber);
  System::on_workers(1, [&] {
    typename System::gate gate;
    std::atomic<std::size_t> there{0};
    std::vector<decltype(System::spawn([] {}))> all(count);
    const footprint before;
    const double begin = wall_seconds();
    for (auto& fiber : all) {
      fiber = System::spawn([&] {
        ++there;
        gate.wait();
      });
    }
    while (there != count) System::yield();
    report_growth(name, static_cast<double>(count), before, wall_seconds() - begin);
    if (seconds > 0) end_here();
    gate.set();
    for (auto& fiber : all) fiber.join();
  });
}

// The rows of a program's table, for the workloads that its System has means for.
template <class System>
constexpr benchmark yield_2{"yield_2", [](double s) { yields<System>("yield_2", s, 2); }};
template <class System>
constexpr benchmark yield_2_sites_8{"yield_2_sites_8", [](double s) { yields<System, 8>("yield_2_sites_8", s, 2); }};
template <class System>
constexpr benchmark yield_1k{"yield_1k", [](double s) { yields<System>("yield_1k", s, 1000); }};
template <class System>
constexpr benchmark yield_100k{"yield_100k", [](double s) { yields<System>("yield_100k", s, full(100'000, s)); }};
template <class System>
constexpr benchmark yield_1k_2_workers{"yield_1k_2_workers",
                                       [](double s) { yields<System>("yield_1k_2_workers", s, 1000, 2); }};
template <class System>
constexpr benchmark spawn_join_{"spawn_join", spawn_join<System>};
template <class System>
constexpr benchmark spawn_wave_1k_{"spawn_wave_1k", spawn_wave_1k<System>};
template <class System>
constexpr benchmark spawn_1m_{"spawn_1m", spawn_1m<System>};
template <class System>
constexpr benchmark skynet_1m{"skynet_1m", [](double s) { skynet<System>("skynet_1m", s, 1); }};
template <class System>
constexpr benchmark skynet_1m_2_workers{"skynet_1m_2_workers",
                                        [](double s) { skynet<System>("skynet_1m_2_workers", s, 2); }};
template <class System, class Mutex>
constexpr benchmark mutex_contended_2_workers{
    "mutex_contended_2_workers", [](double s) { mutex_contended<System, Mutex>("mutex_contended_2_workers", s, 2); }};
template <class System>
constexpr benchmark memory_100k{"memory_100k", [](double s) { parked<System>("memory_100k", s, 100'000); }};
template <class System>
constexpr benchmark memory_1m{"memory_1m", [](double s) { parked<System>("memory_1m", s, 1'000'000); }};

}  // namespace bench

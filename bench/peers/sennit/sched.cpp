// sennit's side of the scheduler's workloads.
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "common/fibers.hpp"
#include "common/program.hpp"
#include "common/wake.hpp"
#include "micro/two_contexts.hpp"

namespace {

struct sennit_system {
  static void on_workers(unsigned workers, auto&& f) { sennit::run({.workers = workers, .stall_threshold = {}}, f); }
  static void yield() { sennit::this_fiber::yield(); }
  static sennit::fiber spawn(auto&& f) { return sennit::fiber(f); }
  static void wave(std::size_t count, auto&& f) {
    sennit::wait_group all;
    all.add(count);
    for (std::size_t i = 0; i < count; ++i) {
      sennit::go([&, i] {
        f(i);
        all.done();
      });
    }
    all.wait();
  }
  static void fork(std::size_t count, auto&& f) { wave(count, f); }
  using gate = sennit::event;
};

/// The target is awake because a fiber of it does nothing but yield.
void wake_2_workers(double seconds) {
  sennit_system::on_workers(1, [&] {
    std::atomic<bool> over{false};
    std::jthread spawner([&, home = sennit::runtime_handle::current()] {
      bench::measure_wakes("wake_2_workers", seconds, [&](auto&& f) { home.spawn(f).detach(); });
      over = true;
    });
    while (!over) sennit_system::yield();
  });
}

/// The same from a fiber of another runtime, on whose worker it spins.
void spawn_across(double seconds) {
  sennit::runtime target({.workers = 1, .stall_threshold = {}});
  std::atomic<bool> over{false};
  sennit::fiber awake = target.spawn([&] {
    while (!over) sennit_system::yield();
  });
  sennit_system::on_workers(1, [&] {
    bench::measure_wakes("spawn_across", seconds, [&](auto&& f) { target.spawn(f).detach(); });
    over = true;
    awake.join();
  });
}

/// When a fiber has begun.
struct beginning {
  std::atomic<bool> happened{false};
  bench::steady::time_point at;

  void now() {
    at = bench::steady::now();
    happened.store(true, std::memory_order_release);
  }
};

/// make(beginning) makes a fiber runnable that says when it begins, by a fiber that keeps its worker busy before and
/// after that. Reports the microseconds until it has begun, of 99 in 100.
void measure_steals(const char* name, double seconds, auto&& make) {
  std::vector<double> each;
  for (const double begin = bench::wall_seconds(); each.size() < 9 || bench::wall_seconds() < begin + seconds;) {
    for (const auto end = bench::steady::now() + std::chrono::microseconds(100); bench::steady::now() < end;) {}
    beginning other;
    const auto made = bench::steady::now();
    make(other);
    const auto end = made + std::chrono::milliseconds(10);
    while (!other.happened.load(std::memory_order_acquire)) {
      if (bench::steady::now() > end) sennit_system::yield();
    }
    each.push_back(std::chrono::duration<double, std::micro>(other.at - made).count());
  }
  bench::report(name, bench::quantile(each, 0.99));
}

void steal_2_workers(double seconds) {
  sennit_system::on_workers(2, [&] {
    measure_steals("steal_spawned_p99", seconds / 2, [](beginning& other) { sennit::go([&other] { other.now(); }); });
    sennit::binary_semaphore wanted(0);
    beginning* said_by = nullptr;  // null: nobody is to begin any more
    sennit::fiber other([&] {
      for (;;) {
        wanted.acquire();
        if (said_by == nullptr) return;
        said_by->now();
      }
    });
    measure_steals("steal_woken_p99", seconds / 2, [&](beginning& b) {
      said_by = &b;
      wanted.release();
    });
    said_by = nullptr;
    wanted.release();
    other.join();
  });
}

void switches(double seconds) {
  sennit::detail::with_two_contexts([&](auto&& switch_twice) { bench::measure("switch", seconds, 2, switch_twice); });
}

constexpr bench::benchmark benchmarks[] = {
    {"switch", switches},
    bench::yield_2<sennit_system>,
    bench::yield_2_sites_8<sennit_system>,
    bench::yield_1k<sennit_system>,
    bench::yield_100k<sennit_system>,
    bench::spawn_join_<sennit_system>,
    bench::spawn_wave_1k_<sennit_system>,
    bench::spawn_1m_<sennit_system>,
    bench::skynet_1m<sennit_system>,
    bench::yield_1k_2_workers<sennit_system>,
    bench::skynet_1m_2_workers<sennit_system>,
    {"wake_2_workers", wake_2_workers},
    {"spawn_across", spawn_across},
    {"steal_2_workers", steal_2_workers},
    bench::mutex_contended_2_workers<sennit_system, sennit::mutex>,
    bench::memory_100k<sennit_system>,
    bench::memory_1m<sennit_system>,
};

}  // namespace

std::span<const bench::benchmark> bench::sched_benchmarks() { return benchmarks; }

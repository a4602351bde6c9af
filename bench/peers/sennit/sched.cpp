// sennit's side of the scheduler's workloads.
#include <atomic>
#include <cstddef>
#include <thread>

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
    bench::memory_100k<sennit_system>,
    bench::memory_1m<sennit_system>,
};

}  // namespace

std::span<const bench::benchmark> bench::sched_benchmarks() { return benchmarks; }

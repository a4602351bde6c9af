// sennit's side of the scheduler's workloads.
#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

#include <sennit/sennit.hpp>

#include "common/fibers.hpp"
#include "common/program.hpp"
#include "common/wake.hpp"
#include "context/context.hpp"

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

namespace bare {

using namespace sennit::detail;

struct alignas(64) stack {
  std::byte bytes[std::size_t{64} << 10];
};

struct pair_of_contexts {
  context mine;
  context other;
  exception_state* live = thread_exception_state();
};

/// Both stacks are in this one loop, as all fibers of a worker are in the scheduler's.
[[gnu::noinline]] void rounds(context& from, context& to, pair_of_contexts& pair, std::uint64_t count) {
  for (; count != 0; --count) switch_context(from, to, &pair, *pair.live);
}

void switches(double seconds) {
  const auto memory = std::make_unique<stack>();
  pair_of_contexts pair;
  const auto other = [](void* transfer) {
    auto& both = *static_cast<pair_of_contexts*>(transfer);
    rounds(both.other, both.mine, both, ~std::uint64_t{0});
  };
  make_context(pair.other, memory->bytes, memory->bytes + sizeof memory->bytes, other, current_fp_env());
  bench::measure("switch", seconds, 2, [&](std::uint64_t n) { rounds(pair.mine, pair.other, pair, n); });
  destroy_context(pair.other);
}

}  // namespace bare

constexpr bench::benchmark benchmarks[] = {
    {"switch", bare::switches},
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

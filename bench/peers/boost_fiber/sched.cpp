// Boost.Fiber's side of the scheduler's workloads, and Boost.Context's of the switch. Stacks of 8 KiB (two
// pages, as in its own skynet_join), which a million of fit: from Boost's pool on one worker, from malloc on two, where
// the pool may not be used.
#include <boost/context/fiber.hpp>
#include <boost/fiber/all.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "boost_fiber/workers.hpp"
#include "common/fibers.hpp"
#include "common/program.hpp"

namespace {

namespace fibers = boost::fibers;

template <class Stacks>
struct boost_system {
  static void on_workers(unsigned workers, auto&& f) { ::on_workers(workers, f); }
  static void yield() { boost::this_fiber::yield(); }
  static fibers::fiber spawn(auto&& f) { return {std::allocator_arg, stacks(), f}; }
  static void wave(std::size_t count, auto&& f) { bench::join_each<boost_system>(count, f); }
  /// Each child runs at once, as in Boost's own skynet: else all leaves have a stack at the same time.
  static void fork(std::size_t count, auto&& f) {
    std::vector<fibers::fiber> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      all.emplace_back(fibers::launch::dispatch, std::allocator_arg, stacks(), [&f, i] { f(i); });
    for (auto& child : all) child.join();
  }
  using gate = bench::condition_gate<fibers::mutex, fibers::condition_variable>;

 private:
  static Stacks stacks() {
    static const Stacks all(8 << 10);
    return all;
  }
};
using pooled = boost_system<fibers::pooled_fixedsize_stack>;
using unpooled = boost_system<fibers::fixedsize_stack>;

void switches(double seconds) {
  namespace ctx = boost::context;
  ctx::fiber other([](ctx::fiber&& back) {
    for (;;) back = std::move(back).resume();
    return std::move(back);
  });
  bench::measure("switch", seconds, 2, [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) other = std::move(other).resume();
  });
}

/// For those who are on its workers already, which a process can have once.
struct there : unpooled {
  static void on_workers(unsigned, auto&& f) { f(); }
};

/// A part of it tells whether the rest takes long.
void skynet_1m_2_workers(double seconds) {
  constexpr double patience = 10;  // seconds
  double took = 0;
  bool soon = false;
  on_workers(2, [&] {
    const double begin = bench::wall_seconds();
    bench::skynet_sum<unpooled>(0, 10'000);
    took = bench::wall_seconds() - begin;
    soon = seconds <= 0 || 2 * 100 * took < patience;
    if (soon) bench::skynet<there>("skynet_1m_2_workers", seconds, 2);
  });
  if (!soon) {
    throw bench::cannot("do both runs in " + std::to_string(std::lround(patience)) + " s: 10 000 leaves took " +
                        std::to_string(std::lround(took * 1e3)) + " ms");
  }
}

constexpr bench::benchmark benchmarks[] = {
    {"switch", switches},
    bench::yield_2<pooled>,
    bench::yield_2_sites_8<pooled>,
    bench::yield_1k<pooled>,
    bench::yield_100k<pooled>,
    bench::spawn_join_<pooled>,
    bench::spawn_wave_1k_<pooled>,
    bench::spawn_1m_<pooled>,
    bench::skynet_1m<pooled>,
    bench::yield_1k_2_workers<unpooled>,
    {"skynet_1m_2_workers", skynet_1m_2_workers},
    bench::mutex_contended_2_workers<unpooled, fibers::mutex>,
    bench::memory_100k<pooled>,
    bench::memory_1m<pooled>,
};

}  // namespace

std::span<const bench::benchmark> bench::sched_benchmarks() { return benchmarks; }

// What it costs to look at a runtime: of sennit alone.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <vector>

#include <sennit/sennit.hpp>

#include "common/program.hpp"

namespace {

void on_workers(unsigned workers, auto&& f) { sennit::run({.workers = workers, .stall_threshold = {}}, f); }

void yields_by_two(std::uint64_t n) {
  const auto half = [n] {
    for (std::uint64_t i = 0; i < n / 2; ++i) sennit::this_fiber::yield();
  };
  sennit::fiber one(half);
  sennit::fiber other(half);
  one.join();
  other.join();
}

void traced_yield(double seconds) {
  on_workers(1, [&] {
    bench::measure("yield_untraced", seconds / 2, 1, yields_by_two);
    const sennit::trace recording(*sennit::runtime::current());
    bench::measure("yield_traced", seconds / 2, 1, yields_by_two);
  });
}

void metrics_read(double seconds) {
  on_workers(2, [&] {
    bench::measure("metrics_read", seconds, 1, [](std::uint64_t n) {
      for (std::uint64_t i = 0; i < n; ++i) {
        std::ostringstream out;
        sennit::write_metrics(out);
        if (out.str().empty()) bench::fail("no metrics");
      }
    });
  });
}

/// Ten thousand wait; one on a worker of its own yields all the time, and notes how long it was held up at most.
void dump_10k(double seconds) {
  const std::size_t count = bench::full(10'000, seconds);
  on_workers(2, [&] {
    sennit::event over;
    sennit::scope all;
    for (std::size_t i = 0; i < count; ++i) all.spawn([&] { over.wait(); });
    const auto dump = [&](std::ostream& out) { sennit::dump_fibers(out, sennit::dump_format::json); };
    std::ostringstream first;
    dump(first);  // the debug information is read once

    std::atomic<bool> done{false};
    double longest = 0;
    sennit::fiber beside([&] {
      for (auto last = bench::steady::now(); !done;) {
        sennit::this_fiber::yield();
        const auto now = bench::steady::now();
        longest = std::max(longest, std::chrono::duration<double, std::milli>(now - last).count());
        last = now;
      }
    });
    const double start = bench::wall_seconds();
    std::size_t dumps = 0;
    do {
      std::ostringstream out;
      dump(out);
      ++dumps;
    } while (bench::wall_seconds() - start < seconds);
    const double took = bench::wall_seconds() - start;
    done = true;
    beside.join();
    bench::report("dump_10k", took * 1e3 / static_cast<double>(dumps));
    bench::report("dump_10k_held_up", longest);
    over.set();
    all.join();
  });
}

constexpr bench::benchmark benchmarks[] = {
    {"traced_yield", traced_yield},
    {"metrics_read", metrics_read},
    {"dump_10k", dump_10k},
};

}  // namespace

std::span<const bench::benchmark> bench::observe_benchmarks() { return benchmarks; }

// Two fibers compute in turns, each in a function of its own, for perf_test.py to find in a profile.
#include <chrono>

#include <sennit/fiber.hpp>
#include <sennit/runtime.hpp>

namespace {

volatile unsigned long sink;

/// Not a tail call: the caller's frame stays.
inline void come_back() { asm volatile("" ::: "memory"); }

[[gnu::noinline]] void innermost() {
  for (unsigned i = 0; i < 100'000; ++i) sink = sink + i;
}

[[gnu::noinline]] void middle() {
  innermost();
  come_back();
}

[[gnu::noinline]] void of_the_first() {
  middle();
  come_back();
}

[[gnu::noinline]] void of_the_second() {
  middle();
  come_back();
}

}  // namespace

int main() {
  sennit::run({.workers = 1, .stall_threshold = {}}, [] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    const auto until_then = [end](void (*work)()) {
      while (std::chrono::steady_clock::now() < end) {
        work();
        sennit::this_fiber::yield();
      }
    };
    sennit::fiber first([&] { until_then(of_the_first); });
    sennit::fiber second([&] { until_then(of_the_second); });
    first.join();
    second.join();
  });
}

// How many threads there are, and when they end: an emulator and sanitizers have threads of their own.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include <sennit/blocking.hpp>
#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

std::ptrdiff_t count_threads() { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); }

TEST(helpers_native, idle_helpers_end) {
  runtime rt({.workers = 1});
  rt.run([] {});
  const auto without = count_threads();
  std::atomic<unsigned> held{0};
  rt.run([&] {
    scope all;
    for (int i = 0; i < 100; ++i) {
      all.spawn([&] {
        blocking([&] {
          ++held;
          spin_until([&] { return held >= 64; }, 20s);
        });
      });
    }
    all.join();
  });
  EXPECT_GT(count_threads(), without);
  EXPECT_LE(count_threads(), without + 64);
  const auto patience = std::chrono::steady_clock::now() + 30s;  // they end after 10 s without work
  while (count_threads() > without && std::chrono::steady_clock::now() < patience) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(count_threads(), without);
  rt.run([] { EXPECT_EQ(blocking([] { return 1; }), 1); });  // and new ones come
}

TEST(helpers_native, an_idle_runtime_costs_no_cpu) {
  runtime rt({.workers = 4});
  rt.run([] { this_fiber::sleep_for(1ms); });
  baton b;
  fiber waits = rt.spawn([&] { b.wait(); });
  const auto cpu = [] {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  };
  // The monitor looks a few times before it sleeps too.
  std::this_thread::sleep_for(200ms);
  const auto before = cpu();
  const auto polls = rt.stats().polls;
  std::this_thread::sleep_for(5s);
  EXPECT_LT(cpu() - before, 1ms) << "nothing may run";
  EXPECT_EQ(rt.stats().polls, polls);
  b.post();
  waits.join();
}

}  // namespace
}  // namespace sennit::test

// No stack to be had: a fiber waits while another's may come free; else that is its result. And what becomes of the
// memory of stacks that are there and unused.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/metrics.hpp>
#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

TEST(exhaustion, a_fiber_waits_for_anothers_stack) {
  constexpr int stacks = 40;
  constexpr int count = 200;
  std::atomic<int> most_at_once = 0;
  std::atomic<int> ended = 0;
  sennit::run({.workers = 1, .stall_threshold = {}, .max_stacks = stacks}, [&] {
    std::atomic<int> running = 0;
    std::vector<fiber> all;
    for (int i = 0; i < count; ++i) {
      all.emplace_back([&] {
        most_at_once = std::max(most_at_once.load(), ++running);
        this_fiber::sleep_for(1ms);
        --running;
        ++ended;
      });
    }
    for (auto& f : all) f.join();
  });
  EXPECT_EQ(ended, count);
  EXPECT_GT(most_at_once, 1);
  EXPECT_LT(most_at_once, stacks) << "the first fiber has one too";
}

TEST(exhaustion, without_any_stack_the_fiber_fails) {
  runtime rt({.workers = 1, .max_stacks = 0});
  for (int i = 0; i < 10; ++i) {
    try {
      rt.spawn([] { FAIL() << "on what?"; }).join();
      FAIL() << "no error";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::not_enough_memory) << e.what();
    }
  }
}

TEST(exhaustion_death_test, without_any_stack_a_detached_fiber_terminates_by_name) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(
      {
        runtime rt({.workers = 1, .max_stacks = 0});
        rt.spawn({.name = "stackless"}, [] {}).detach();
        rt.shutdown(20s);
        std::_Exit(0);
      },
      "stackless");
}

// Hazard 10: it stays for the next crowd, and goes although nothing happens any more.
TEST(unused_stacks, keep_their_memory_for_a_while) {
  constexpr std::size_t count = 2000, budget = std::size_t{1} << 20;
  runtime rt({.workers = 2, .stall_threshold = {}, .stack_budget = budget});
  const auto start = std::chrono::steady_clock::now();
  rt.run([] {
    scope all;
    event gate;
    for (std::size_t i = 0; i < count; ++i) all.spawn([&] { gate.wait(); });
    this_fiber::yield();
    gate.set();
  });
  const auto held = [&] { return rt.metrics().stack_bytes_cached; };
  EXPECT_GT(held(), budget);
  // Nobody is told when the monitor has given it back.
  while (held() > budget && std::chrono::steady_clock::now() - start < 60s) std::this_thread::sleep_for(10ms);
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf("given back after %lld ms\n", static_cast<long long>(took / 1ms));
  EXPECT_LE(held(), budget);
  EXPECT_GE(took, 900ms);
}

TEST(exhaustion, call_with_stack_says_so) {
  std::error_code code;
  sennit::run({.workers = 1, .max_stacks = 1}, [&] {
    try {
      call_with_stack(7 << 20, [] {});
    } catch (const std::system_error& e) {
      code = e.code();
    }
  });
  EXPECT_EQ(code, std::errc::not_enough_memory);
}

}  // namespace
}  // namespace sennit::test

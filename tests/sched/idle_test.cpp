// Hazard 3: nobody sleeps while work is queued.
#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <thread>
#include <vector>

#include "sched/idle_set.hpp"
#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using detail::idle_set;
using detail::random_source;
using namespace std::chrono_literals;

TEST(idle_set_test, wakes_the_last_sleeper_and_only_if_nobody_searches) {
  idle_set idle(3);
  EXPECT_EQ(idle.choose_to_wake(), idle_set::nobody) << "all are awake";
  EXPECT_TRUE(idle.enter(0, false)) << "nobody searches: look again";
  EXPECT_TRUE(idle.enter(2, false));
  EXPECT_EQ(idle.awake(), 1u);
  EXPECT_EQ(idle.choose_to_wake(), 2u);
  EXPECT_EQ(idle.awake(), 2u);
  EXPECT_EQ(idle.choose_to_wake(), idle_set::nobody) << "the woken one searches";
  EXPECT_TRUE(idle.leave(2)) << "it was chosen";
  EXPECT_TRUE(idle.end_search()) << "it was the last searcher";
  EXPECT_EQ(idle.choose_to_wake(), 0u);
}

TEST(idle_set_test, who_wakes_by_itself_does_not_search) {
  idle_set idle(2);
  EXPECT_TRUE(idle.enter(1, false));
  EXPECT_FALSE(idle.leave(1));
  EXPECT_EQ(idle.awake(), 2u);
  EXPECT_EQ(idle.choose_to_wake(), idle_set::nobody);
}

TEST(idle_set_test, at_most_half_of_the_awake_search) {
  idle_set idle(4);
  EXPECT_TRUE(idle.try_search());
  EXPECT_TRUE(idle.try_search());
  EXPECT_FALSE(idle.try_search());
  EXPECT_FALSE(idle.end_search());
  EXPECT_TRUE(idle.end_search());
}

TEST(idle_set_test, the_last_searcher_to_sleep_must_look_again) {
  idle_set idle(4);
  ASSERT_TRUE(idle.try_search());
  ASSERT_TRUE(idle.try_search());
  EXPECT_FALSE(idle.enter(0, true)) << "another one searches on";
  EXPECT_TRUE(idle.enter(1, true));
}

class idle_test : public runtimes {};
INSTANTIATE_RUNTIMES(idle_test);

constexpr auto bound = 20s;  // a lost wakeup is for ever: there is no timer that would end the workers' sleep

TEST_P(idle_test, a_fiber_from_outside_is_run_however_the_workers_fall_asleep) {
  const std::size_t rounds = scaled(200'000);
  random_source random(seed());
  runtime rt(opts());
  std::chrono::nanoseconds worst{};
  for (std::size_t i = 0; i < rounds; ++i) {
    std::binary_semaphore ran(0);
    const auto start = std::chrono::steady_clock::now();
    fiber f = rt.spawn([&] { ran.release(); });
    must(ran.try_acquire_for(bound), "a queued fiber was not run: all workers sleep");
    worst = std::max<std::chrono::nanoseconds>(worst, std::chrono::steady_clock::now() - start);
    f.join();
    // The gap moves over the moments in which the workers look for the last time and fall asleep.
    const auto gap = std::chrono::nanoseconds(random.below(30'000));
    spin_until([] { return false; }, gap);
  }
  std::printf("%zu fibers, worst %lld us\n", rounds, static_cast<long long>(worst.count() / 1000));
}

TEST_P(idle_test, work_for_two_wakes_two) {
  if (workers() == 1) return run([] { EXPECT_EQ(runtime::current()->workers(), 1u); });
  runtime rt(opts());
  const std::size_t rounds = scaled(5'000);
  for (std::size_t i = 0; i < rounds; ++i) {
    // The first fiber computes until the second has run: on one worker that is never.
    std::atomic<bool> ran{false};
    fiber first = rt.spawn([&] {
      fiber second = spawn([&] { ran = true; });
      must(spin_until([&] { return ran.load(); }, bound), "a fiber was left in the queue of a worker that computes");
      second.join();
    });
    first.join();
  }
}

TEST_P(idle_test, a_burst_reaches_all_workers) {
  runtime rt(opts());
  const unsigned n = rt.workers();
  // n fibers that each wait, computing, for the others: all workers must come.
  for (std::size_t i = 0; i < scaled(1'000); ++i) {
    std::atomic<unsigned> here{0};
    std::vector<fiber> all;
    for (unsigned k = 0; k < n; ++k) {
      all.push_back(rt.spawn([&] {
        ++here;
        must(spin_until([&] { return here.load() == n; }, bound), "a worker slept while work was queued");
      }));
    }
    for (auto& f : all) f.join();
  }
}

}  // namespace
}  // namespace sennit::test

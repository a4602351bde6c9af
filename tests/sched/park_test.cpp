// Hazards 1, 2 and 21: parks, their wakers, deadlines and stops, in all the orders that two to four workers make.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using detail::case_stop;
using detail::case_timeout;
using detail::clock_now;
using detail::never;
using detail::random_source;
using namespace std::chrono_literals;

class park_test : public runtimes {};
INSTANTIATE_RUNTIMES(park_test);

TEST_P(park_test, a_post_before_the_wait_is_kept) {
  run([] {
    baton b;
    EXPECT_FALSE(b.post());
    EXPECT_EQ(b.wait(), 0);
    EXPECT_EQ(b.wait(clock_now() + 1), case_timeout);
  });
}

TEST_P(park_test, a_deadline_in_the_past_ends_the_wait_at_once) {
  run([] {
    baton b;
    for (const detail::nanos t : {detail::nanos{0}, std::numeric_limits<detail::nanos>::min(), clock_now() - 1}) {
      EXPECT_EQ(b.wait(t), case_timeout);
    }
  });
  baton b;
  EXPECT_EQ(b.wait(0), case_timeout) << "a plain thread too";
  EXPECT_EQ(b.wait(std::numeric_limits<detail::nanos>::min()), case_timeout);
}

/// Two parties that wake each other in turn.
struct pair {
  baton ping, pong;
  void serve(std::size_t rounds, std::uint64_t seed) {
    random_source random(seed);
    for (std::size_t i = 0; i < rounds; ++i) {
      must(ping.wait() == 0, "a wait without a deadline ended by something else than its post");
      stir(random);
      pong.post();
    }
  }
  void play(std::size_t rounds, std::uint64_t seed) {
    random_source random(seed);
    for (std::size_t i = 0; i < rounds; ++i) {
      ping.post();
      stir(random);
      must(pong.wait() == 0, "a wait without a deadline ended by something else than its post");
    }
  }
};

// Hazard 1. Fibers with fibers, fibers with plain threads, threads with threads.
TEST_P(park_test, no_wakeup_is_lost) {
  const std::uint64_t s = seed();
  constexpr std::size_t fiber_pairs = 4, mixed_pairs = 2;
  const std::size_t rounds = scaled(10'000'000) / 2 / fiber_pairs / 3;    // two parks a round, three instances
  const std::size_t slow_rounds = std::max<std::size_t>(rounds / 40, 1);  // through futex and eventfd
  runtime rt(opts());
  std::vector<pair> pairs(fiber_pairs + mixed_pairs + 1);
  std::vector<fiber> fibers;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pair& p = pairs[i];
    if (i < fiber_pairs) {
      fibers.push_back(rt.spawn([&p, rounds, s, i] { p.serve(rounds, s + i); }));
      fibers.push_back(rt.spawn([&p, rounds, s, i] { p.play(rounds, s + 100 + i); }));
    } else if (i < fiber_pairs + mixed_pairs) {
      fibers.push_back(rt.spawn([&p, slow_rounds, s, i] { p.serve(slow_rounds, s + i); }));
      threads.emplace_back([&p, slow_rounds, s, i] { p.play(slow_rounds, s + 100 + i); });
    } else {
      threads.emplace_back([&p, slow_rounds, s, i] { p.serve(slow_rounds, s + i); });
      threads.emplace_back([&p, slow_rounds, s, i] { p.play(slow_rounds, s + 100 + i); });
    }
  }
  for (auto& t : threads) t.join();
  for (auto& f : fibers) f.join();
  std::printf("%zu parks\n", 2 * (fiber_pairs * rounds + (mixed_pairs + 1) * slow_rounds));
}

// Hazard 2. A deadline and a post that come together: the waiter's result and the poster's agree, and neither reaches
// the wait after it, which has no deadline.
TEST_P(park_test, a_deadline_and_a_wake_make_one_result) {
  const std::uint64_t s = seed();
  constexpr std::size_t pairs = 4;
  const std::size_t rounds = scaled(1'000'000) / pairs / 3;
  std::atomic<std::size_t> timeouts{0}, posts{0};
  run([&] {
    scope all;
    for (std::size_t p = 0; p < pairs; ++p) {
      all.spawn([&, p] {
        struct {
          baton timed, go, next;
          bool woke = false;
        } shared;
        scope two;
        two.spawn([&] {
          random_source random(s + p);
          for (std::size_t i = 0; i < rounds; ++i) {
            shared.go.wait();
            for (unsigned n = random.below(400); n > 0; --n) detail::cpu_pause();
            if (random.below(4) == 0) this_fiber::yield();
            shared.woke = shared.timed.post();
            shared.next.post();
          }
        });
        random_source random(s + 1000 + p);
        for (std::size_t i = 0; i < rounds; ++i) {
          shared.go.post();
          const auto woken_by = shared.timed.wait(clock_now() + random.below(15'000));
          must(shared.next.wait() == 0, "a timer of an earlier wait ended this one");
          if (woken_by == 0) {
            ++posts;
          } else {
            ASSERT_EQ(woken_by, case_timeout);
            ASSERT_FALSE(shared.woke) << "the poster claimed a waiter that its timer had claimed";
            ++timeouts;
            ASSERT_EQ(shared.timed.wait(), 0) << "the post was kept";
          }
        }
        two.join();
      });
    }
    all.join();
  });
  std::printf("%zu posts, %zu deadlines\n", posts.load(), timeouts.load());
  EXPECT_EQ(posts + timeouts, pairs * rounds);
}

// The same for a plain thread.
TEST_P(park_test, a_plain_thread_gets_one_result_too) {
  const std::uint64_t s = seed();
  const std::size_t rounds = scaled(100'000) / 3;
  runtime rt(opts());
  baton timed, go, next;
  bool woke = false;
  fiber poster = rt.spawn([&] {
    random_source random(s);
    for (std::size_t i = 0; i < rounds; ++i) {
      go.wait();
      for (unsigned n = random.below(2000); n > 0; --n) detail::cpu_pause();
      woke = timed.post();
      next.post();
    }
  });
  random_source random(s + 1);
  for (std::size_t i = 0; i < rounds; ++i) {
    go.post();
    const auto woken_by = timed.wait(clock_now() + random.below(60'000));
    must(next.wait() == 0, "a deadline of an earlier wait ended this one");
    if (woken_by == 0) continue;
    ASSERT_EQ(woken_by, case_timeout);
    ASSERT_FALSE(woke);
    ASSERT_EQ(timed.wait(), 0);
  }
  poster.join();
}

// Hazard 21. Sleepers whose timers lie on all workers are stopped at random moments, and each new sleep uses the node
// of the one before.
TEST_P(park_test, sleeps_and_their_cancellation_agree) {
  const std::uint64_t s = seed();
  const std::size_t rounds = scaled(20'000) / 3;
  std::atomic<std::size_t> slept{0}, stopped{0};
  options o = opts();
  o.force_migrate = workers() == 4;
  sennit::run(o, [&] {
    random_source random(s);
    for (std::size_t round = 0; round < rounds; ++round) {
      scope sleepers(on_exception::log);
      constexpr std::size_t count = 20;
      std::atomic<std::size_t> ended{0};
      for (std::size_t i = 0; i < count; ++i) {
        sleepers.spawn([&, span = std::chrono::nanoseconds(random.below(100'000))] {
          try {
            this_fiber::sleep_for(span);
            this_fiber::sleep_for(span / 2);
            ++slept;
          } catch (const std::system_error& e) {
            EXPECT_EQ(e.code(), std::errc::operation_canceled);
            ++stopped;
          }
          ++ended;
        });
      }
      for (unsigned n = random.below(8); n > 0; --n) this_fiber::yield();
      this_fiber::sleep_for(std::chrono::nanoseconds(random.below(100'000)));
      sleepers.request_stop();
      sleepers.join();
      ASSERT_EQ(ended, count);
    }
  });
  std::printf("%zu slept, %zu stopped\n", slept.load(), stopped.load());
  EXPECT_EQ(slept + stopped, rounds * 20);
}

// A stop and a post at once: whichever wins, the other finds nobody.
TEST_P(park_test, a_stop_and_a_wake_make_one_result) {
  const std::uint64_t s = seed();
  const std::size_t rounds = scaled(200'000) / 3;
  run([&] {
    random_source random(s);
    for (std::size_t i = 0; i < rounds; ++i) {
      baton b;
      std::uint16_t woken_by = 99;
      bool woke = false;
      scope two(on_exception::log);
      two.spawn([&] { woken_by = b.wait(never, true); });
      two.spawn([&, spin = random.below(300)] {
        for (unsigned n = spin; n > 0; --n) detail::cpu_pause();
        woke = b.post();
      });
      for (unsigned n = random.below(300); n > 0; --n) detail::cpu_pause();
      if (random.below(2) == 0) this_fiber::yield();
      two.request_stop();
      two.join();
      ASSERT_TRUE(woken_by == 0 || woken_by == case_stop) << woken_by;
      ASSERT_FALSE(woke && woken_by == case_stop);
    }
  });
}

}  // namespace
}  // namespace sennit::test

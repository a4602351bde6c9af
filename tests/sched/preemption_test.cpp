// Computations that are switched out by a signal. Not under ThreadSanitizer, which keeps signals for later.
#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/metrics.hpp>
#include <sennit/mutex.hpp>
#include <sennit/preemptible.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class preemption_test : public runtimes {};
INSTANTIATE_RUNTIMES(preemption_test);

std::uint64_t preemptions(const runtime& rt) {
  std::uint64_t all = 0;
  for (const worker_metrics& w : rt.metrics().workers) all += w.preemptions;
  return all;
}

TEST_P(preemption_test, two_that_compute_for_ever_let_each_other_run) {
  runtime rt({.workers = 1, .stall_threshold = {}});
  rt.run([] {
    std::atomic<int> turn{0};
    const auto hundred_turns = [&](int mine) {
      preemptible(
          [&] {
            for (int i = 0; i < 100; ++i) {
              while (turn.load() != mine) {}  // the other one has to run for it to change
              turn.store(1 - mine);
            }
          },
          100us);
    };
    fiber other([&] { hundred_turns(1); });
    hundred_turns(0);
    other.join();
  });
  EXPECT_GE(preemptions(rt), 100u);
}

/// Its value depends on each register that it takes, on the rounding mode, and on every step.
double computed(unsigned seed, int rounding) {
  std::array<double, 64> v;
  std::iota(v.begin(), v.end(), static_cast<double>(seed));
  std::fesetround(rounding);
  for (unsigned step = 0; step < 200'000; ++step) {
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = v[i] * 0.6 + v[(i + 7) % v.size()] / 3.0 + 1e-3;
  }
  std::fesetround(FE_TONEAREST);
  return std::accumulate(v.begin(), v.end(), 0.0);
}

TEST_P(preemption_test, what_is_computed_with_is_kept) {
  constexpr std::array roundings{FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  std::array<double, roundings.size()> alone;
  for (std::size_t i = 0; i < roundings.size(); ++i) alone[i] = computed(static_cast<unsigned>(i), roundings[i]);
  EXPECT_NE(alone[1], alone[2]) << "the rounding mode makes a difference";
  runtime rt(opts());
  rt.run([&] {
    scope all;
    for (std::size_t i = 0; i < 4 * roundings.size(); ++i) {
      all.spawn([&, kind = i % roundings.size()] {
        const double beside_others =
            preemptible([&] { return computed(static_cast<unsigned>(kind), roundings[kind]); }, 1us);
        EXPECT_EQ(std::memcmp(&beside_others, &alone[kind], sizeof beside_others), 0);
      });
    }
    all.join();
  });
  EXPECT_GT(preemptions(rt), 0u);
}

void compute(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 10'000; ++i) asm volatile("");
  }
}

TEST_P(preemption_test, it_stays_on_its_worker_and_moves_again_afterwards) {
  runtime rt(opts());
  rt.run([&] {
    scope all;
    for (unsigned i = 0; i < 2 * workers(); ++i) {
      all.spawn([] {
        const pthread_t here = pthread_self();
        errno = 77;
        preemptible([] { compute(20ms); }, 1us);
        EXPECT_EQ(errno, 77);
        EXPECT_NE(pthread_equal(here, pthread_self()), 0);
        this_fiber::yield();
      });
    }
    all.join();
  });
  EXPECT_GE(preemptions(rt), 2 * workers());
}

TEST_P(preemption_test, timers_of_its_worker_are_served) {
  runtime rt({.workers = 1, .stall_threshold = {}});
  rt.run([] {
    std::atomic<bool> rung{false};
    fiber sleeper([&] {
      this_fiber::sleep_for(1ms);
      rung = true;
    });
    this_fiber::yield();
    preemptible([&] {
      while (!rung.load()) {}
    });
    sleeper.join();
  });
}

TEST_P(preemption_test, allocations_and_exceptions_come_to_no_harm) {
  // Against the rules, and yet: malloc is another module's code, where nobody is switched out.
  runtime rt({.workers = 1, .stall_threshold = {}});
  rt.run([] {
    std::atomic<bool> done{false};
    fiber beside([&] {
      while (!done) {
        std::free(std::malloc(100));
        this_fiber::yield();
      }
    });
    const auto end = std::chrono::steady_clock::now() + 50ms;
    int caught = 0;
    preemptible(
        [&] {
          while (std::chrono::steady_clock::now() < end) {
            std::free(std::malloc(50));
            try {
              throw caught;
            } catch (int seen) {
              caught = seen + 1;
            }
          }
        },
        1us);
    EXPECT_GT(caught, 0);
    done = true;
    beside.join();
  });
}

TEST_P(preemption_test, results_and_exceptions_come_out) {
  runtime rt(opts());
  rt.run([] {
    int value = 5;
    EXPECT_EQ(preemptible([] { return 7; }), 7);
    static_assert(std::is_same_v<int&, decltype(preemptible([&]() -> int& { return value; }))>);
    EXPECT_THROW(preemptible([] { throw 3; }), int);
    EXPECT_EQ(preemptible([] { return preemptible([] { return 8; }); }), 8);
    this_fiber::yield();  // the regions are over
    fiber([] {}).join();
  });
  EXPECT_EQ(preemptible([] { return 9; }), 9) << "on a plain thread";
}

TEST_P(preemption_test, a_wait_in_it_is_told) {
  const auto wait = [&](auto how) { sennit::run(opts(), [&] { preemptible(how); }); };
  EXPECT_DEATH(wait([] { this_fiber::yield(); }), "it is for computation alone");
  EXPECT_DEATH(wait([] { this_fiber::sleep_for(1ms); }), "it is for computation alone");
}

TEST(preemption_signal, that_of_others_is_handed_on) {
  static std::atomic<int> seen{0};
  const auto former = [] {
    struct sigaction mine{};
    mine.sa_handler = [](int) { ++seen; };
    ::sigaction(SIGVTALRM, &mine, nullptr);
    sennit::run([] { preemptible([] {}); });
    ::raise(SIGVTALRM);
    std::exit(seen.load());
  };
  EXPECT_EXIT(former(), ::testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace sennit::test

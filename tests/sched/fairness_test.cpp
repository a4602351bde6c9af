// Hazard 20: neither the LIFO slot nor fibers that never pause keep others from running.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include <sennit/io.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class fairness_test : public runtimes {};
INSTANTIATE_RUNTIMES(fairness_test);

constexpr auto bounded = 3s;

/// Pairs of fibers that wake each other without a pause, until told to stop.
struct ping_pong {
  baton ping, pong;
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> rounds{0};
  void spawn_into(scope& s) {
    s.spawn([this] {
      while (ping.wait() == 0 && !stop.load()) pong.post();
      pong.post();
    });
    s.spawn([this] {
      while (!stop.load()) {
        ping.post();
        pong.wait();
        ++rounds;
      }
      ping.post();
    });
  }
};

TEST_P(fairness_test, a_pair_in_the_lifo_slot_lets_the_queue_run) {
  run([] {
    scope all;
    ping_pong pair;
    pair.spawn_into(all);
    until([&] { return pair.rounds > 100; });
    const std::size_t before = pair.rounds;
    for (int i = 0; i < 1000; ++i) this_fiber::yield();
    const std::size_t meanwhile = pair.rounds - before;
    std::printf("%zu rounds of the pair in 1000 yields\n", meanwhile);
    pair.stop = true;
    all.join();
  });
}

TEST_P(fairness_test, sleepers_and_descriptors_are_served_beside_busy_fibers) {
  const int sleepers = workers() == 1 ? 1000 : 500;
  run([&] {
    scope busy;
    ping_pong pair;
    pair.spawn_into(busy);
    std::atomic<bool> stop{false};
    busy.spawn([&] {
      while (!stop.load()) this_fiber::yield();
    });
    std::atomic<std::int64_t> worst{0};
    const auto note = [&](std::chrono::steady_clock::time_point due) {
      const std::int64_t late = (std::chrono::steady_clock::now() - due).count();
      std::int64_t seen = worst.load();
      while (late > seen && !worst.compare_exchange_weak(seen, late)) {}
    };
    scope waiters;
    for (int i = 0; i < sleepers; ++i) {
      waiters.spawn([&, i] {
        for (int k = 0; k < 3; ++k) {
          const auto due = std::chrono::steady_clock::now() + std::chrono::microseconds(500 + i * 7 % 5000);
          this_fiber::sleep_until(due);
          note(due);
        }
      });
    }
    waiters.spawn([&] {
      for (int k = 0; k < 50; ++k) {
        const fd_pair pipe = pipe_pair();
        park_probe probe;
        scope one;
        one.spawn([&] {
          probe.here();
          wait_readable(pipe.a.get());
        });
        probe.await_parked();
        const auto due = std::chrono::steady_clock::now();
        put(pipe.b.get(), "x");
        one.join();
        note(due);
      }
    });
    waiters.join();
    stop = true;
    pair.stop = true;
    busy.join();
    std::printf("latest by %lld us; the pair went %zu rounds\n", static_cast<long long>(worst / 1000),
                pair.rounds.load());
    EXPECT_LT(std::chrono::nanoseconds(worst), bounded);
  });
}

TEST_P(fairness_test, fibers_from_outside_run_beside_busy_ones) {
  runtime rt(opts());
  std::atomic<bool> stop{false};
  std::vector<fiber> busy;
  for (unsigned i = 0; i < 2 * workers(); ++i) {
    busy.push_back(rt.spawn([&] {
      while (!stop.load()) this_fiber::yield();
    }));
  }
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    rt.spawn([] {}).join();
    ASSERT_LT(std::chrono::steady_clock::now() - start, bounded);
  }
  stop = true;
  for (auto& f : busy) f.join();
}

/// After how many yields of a fiber one from outside has run, at most. `others`: who yield all the time, too.
int yields_until_outsiders_run(int others) {
  int most = 0;
  runtime rt({.workers = 1, .stall_threshold = {}});
  rt.spawn([&] {
      scope all;
      std::atomic<bool> stop{false};
      for (int i = 0; i < others; ++i) {
        all.spawn([&] {
          while (!stop.load()) this_fiber::yield();
        });
      }
      for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 10'000; ++i) this_fiber::yield();  // polls find nothing and become rare
        std::atomic<bool> ran{false};
        std::thread([&] { rt.spawn([&] { ran = true; }).detach(); }).join();
        int yields = 0;
        for (; !ran.load(); ++yields) this_fiber::yield();
        most = std::max(most, yields);
      }
      stop = true;
    }).join();
  std::printf("beside %d others: started after at most %d yields\n", others, most);
  return most;
}

// One that waits for the next poll, instead of the next look, comes late by up to 1024 switches.
TEST_P(fairness_test, fibers_from_outside_do_not_wait_for_rare_polls) {
  EXPECT_LE(yields_until_outsiders_run(1), 2 * 61);
}

// One more where the worker polls just then: who yields has its place in the queue before them.
TEST_P(fairness_test, fibers_from_outside_run_at_the_next_yield_of_one_that_is_alone) {
  EXPECT_LE(yields_until_outsiders_run(0), 2);
}

TEST_P(fairness_test, yielding_fibers_take_turns) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [] {
    constexpr int fibers = 10, turns = 1000;
    std::array<std::atomic<int>, fibers> done{};
    scope all;
    for (int f = 0; f < fibers; ++f) {
      all.spawn([&, f] {
        for (int i = 0; i < turns; ++i) {
          ++done[static_cast<std::size_t>(f)];
          this_fiber::yield();
          const auto [least, most] = std::minmax_element(done.begin(), done.end());
          ASSERT_TRUE(i == 0 || *most == turns || *most - *least <= 2) << "one worker, round robin";
        }
      });
    }
    all.join();
  });
}

}  // namespace
}  // namespace sennit::test

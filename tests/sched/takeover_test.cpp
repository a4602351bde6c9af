// Hazard 19: a worker that computes holds nobody up but the fiber that does it.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <span>
#include <string>
#include <thread>

#include <sennit/event.hpp>
#include <sennit/io.hpp>
#include <sennit/pipe.hpp>
#include <sennit/scope.hpp>
#include <sennit/semaphore.hpp>

#include "sched/scheduler.hpp"
#include "support/baton.hpp"
#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// What the stuck fiber waits for at most: without a takeover each of these tests takes all of it, and fails.
constexpr auto patience = 10s;
/// What others may be late by: a takeover starts after 1 ms; the rest is for loaded machines and sanitizers.
constexpr auto bounded = 2s;

options two_workers() { return {.workers = 2, .stall_threshold = {}}; }

TEST(takeover_test, a_fiber_that_yielded_to_a_computing_one) {
  sennit::run(two_workers(), [] {
    // The other one parks here, is woken into this worker's LIFO slot, and gets the worker when we yield: we are then
    // in the queue of a worker that does not switch, and nobody was told.
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> back{false};
      event go;
      park_probe probe;
      fiber hog = spawn([&] {
        probe.here();
        go.wait();
        EXPECT_TRUE(spin_until([&] { return back.load(); }, patience));
      });
      probe.await_parked();
      // Once the other worker sleeps. (If it wakes for another reason it takes us earlier, and the round shows
      // nothing.)
      spin_until([] { return detail::this_worker()->home.idle.awake() == 1; }, 1s);
      const auto start = steady_clock::now();
      go.set();
      this_fiber::yield();
      back = true;
      ASSERT_LT(steady_clock::now() - start, bounded);
      hog.join();
    }
  });
}

TEST(takeover_test, a_fiber_in_the_lifo_slot) {
  sennit::run(two_workers(), [] {
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> ran{false};
      event go;
      park_probe probe;
      fiber other = spawn([&] {
        probe.here();
        go.wait();
        ran = true;
      });
      probe.await_parked();
      go.set();  // into our slot, where it would run next; but we do not switch
      ASSERT_TRUE(spin_until([&] { return ran.load(); }, bounded));
      other.join();
    }
  });
}

TEST(takeover_test, what_a_computing_fiber_wakes_need_not_wait_for_the_monitor) {
  constexpr int wakes = 200;
  sennit::run(two_workers(), [] {
    std::atomic<int> ran{0};
    binary_semaphore wanted(0);
    fiber other([&] {
      while (ran < wakes) {
        wanted.acquire();
        ++ran;
      }
    });
    const auto asleep = [] { return detail::this_worker()->home.idle.awake() == 1; };
    for (int i = 0; i < wakes; ++i) {  // all in one slice
      ASSERT_TRUE(spin_until(asleep, patience));
      wanted.release();
      ASSERT_TRUE(spin_until([&] { return ran > i; }, bounded));
    }
    other.join();
    EXPECT_LT(runtime::current()->stats().takeovers, unsigned{wakes} / 2);
  });
}

TEST(takeover_test, a_fiber_that_was_spawned_and_left) {
  sennit::run(two_workers(), [] {
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> ran{0};
      scope many;
      for (int i = 0; i < 300; ++i) many.spawn([&] { ++ran; });  // more than a local queue holds
      ASSERT_TRUE(spin_until([&] { return ran == 300; }, bounded));
    }
  });
}

TEST(takeover_test, a_timer_on_the_stuck_worker) {
  sennit::run(two_workers(), [] {
    for (int round = 0; round < 20;) {
      std::atomic<int> at{-1};
      std::atomic<bool> woke{false};
      fiber sleeper = spawn([&] {
        at = static_cast<int>(worker_index());  // where its timer will be: nothing switches from here to the park
        this_fiber::sleep_for(10ms);
        woke = true;
      });
      until([&] { return at != -1; });
      if (at == static_cast<int>(worker_index())) {
        ASSERT_TRUE(spin_until([&] { return woke.load(); }, bounded)) << "round " << round;
        ++round;
      }
      sleeper.join();
    }
  });
}

TEST(takeover_test, a_descriptor_on_the_stuck_worker) {
  sennit::run(two_workers(), [] {
    for (int round = 0; round < 20; ++round) {
      const fd_pair pipe = pipe_pair();
      std::atomic<bool> readable{false};
      park_probe probe;
      fiber reader = spawn([&] {
        probe.here();
        wait_readable(pipe.a.get());
        readable = true;
      });
      probe.await_parked();
      put(pipe.b.get(), "x");
      ASSERT_TRUE(spin_until([&] { return readable.load(); }, bounded));
      reader.join();
    }
  });
}

// They are quick as a rule, and so the other worker sleeps on.
TEST(takeover_test, what_a_poll_brought_behind_a_fiber_that_computes) {
  sennit::run(two_workers(), [] {
    std::array<pipe, 3> pipes{pipe::open(), pipe::open(), pipe::open()};
    std::atomic<bool> computes{false};
    std::atomic<std::size_t> done{0};
    event* all = nullptr;
    scope answers;
    for (pipe& ends : pipes) {
      answers.spawn([&] {
        std::array<std::byte, 1> byte;
        while (ends.reader.read_some(byte) != 0) {
          if (computes && &ends == pipes.data()) {
            EXPECT_TRUE(spin_until([&] { return done == pipes.size() - 1; }, patience));
          }
          if (++done == pipes.size()) all->set();
        }
      });
    }
    for (int round = 0; round < 40; ++round) {
      computes = round >= 20;
      done = 0;
      event over;
      all = &over;
      const auto start = steady_clock::now();
      for (pipe& ends : pipes) ends.writer.write_all(std::as_bytes(std::span("x", 1)));
      over.wait();
      ASSERT_LT(steady_clock::now() - start, bounded);
    }
    for (pipe& ends : pipes) ends.writer.close();
  });
}

TEST(takeover_test, fibers_from_outside_are_run_by_the_other_worker) {
  runtime rt(two_workers());
  std::atomic<bool> done{false};
  std::atomic<int> ran{0};
  fiber hog = rt.spawn([&] { EXPECT_TRUE(spin_until([&] { return done.load(); }, patience)); });
  for (int i = 0; i < 100; ++i) {
    const auto start = steady_clock::now();
    rt.spawn([&] {
        this_fiber::sleep_for(100us);
        ++ran;
      }).join();
    ASSERT_LT(steady_clock::now() - start, bounded);
  }
  done = true;
  hog.join();
  EXPECT_EQ(ran, 100);
}

TEST(takeover_test, a_stuck_worker_is_reported_once_with_the_name_of_its_fiber) {
  for (const unsigned workers : {1U, 2U}) {
    ::testing::internal::CaptureStderr();
    std::uint64_t stalls = 0;
    {
      runtime rt({.workers = workers, .stall_threshold = 20ms});
      rt.spawn({.name = "grinder"}, [&] {
          EXPECT_TRUE(spin_until([&] { return rt.stats().stalls > 0; }, patience));
          spin_until([] { return false; }, 50ms);  // for as long again it is not news
        }).join();
      stalls = rt.stats().stalls;
    }
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(stalls, 1u) << text;
    const auto first = text.find("grinder");
    EXPECT_NE(first, std::string::npos) << text;
    EXPECT_EQ(text.find("grinder", first + 1), std::string::npos) << text;
    EXPECT_NE(text.find("sennit::blocking()"), std::string::npos) << "says what to do instead: " << text;
    EXPECT_NE(text.find("test_sched", text.find('\n')), std::string::npos) << "says where it is: " << text;
  }
}

TEST(takeover_test, a_blocking_call_is_reported) {
  for (const unsigned workers : {1U, 2U}) {
    ::testing::internal::CaptureStderr();
    std::uint64_t stalls = 0;
    {
      runtime rt({.workers = workers, .stall_threshold = 20ms});
      rt.spawn({.name = "sleeper"}, [&] {
          const auto end = steady_clock::now() + patience;
          while (rt.stats().stalls == 0 && steady_clock::now() < end) std::this_thread::sleep_for(1ms);
        }).join();
      stalls = rt.stats().stalls;
    }
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(stalls, 1u) << text;
    EXPECT_NE(text.find("sleeper"), std::string::npos) << text;
  }
}

TEST(takeover_test, switching_and_sleeping_fibers_are_not_reported) {
  runtime rt({.workers = 2, .stall_threshold = 500ms});
  rt.run([] {
    for (int i = 0; i < 20; ++i) {
      this_fiber::sleep_for(1ms);
      for (int k = 0; k < 100; ++k) this_fiber::yield();
    }
  });
  EXPECT_EQ(rt.stats().stalls, 0u);
}

}  // namespace
}  // namespace sennit::test

// Hazards 22 and 27: the end of a runtime.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class shutdown_test : public runtimes {};
INSTANTIATE_RUNTIMES(shutdown_test);

std::error_code code_of(fiber& f) {
  try {
    f.join();
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

TEST_P(shutdown_test, stops_and_drains_what_waits) {
  runtime rt(opts());
  std::atomic<int> stopped{0};
  std::vector<fiber> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(rt.spawn([&, i] {
      try {
        i % 2 == 0 ? this_fiber::sleep_for(1h) : event().wait();
      } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), std::errc::operation_canceled);
        ++stopped;
        this_fiber::yield();  // cleanup may still switch
      }
    }));
  }
  EXPECT_TRUE(rt.shutdown(60s));
  EXPECT_EQ(stopped, 200);
  for (auto& f : all) f.join();
  EXPECT_TRUE(rt.shutdown(0s)) << "again";
}

TEST_P(shutdown_test, a_spawn_afterwards_is_refused) {
  runtime rt(opts());
  rt.run([] {});
  EXPECT_TRUE(rt.shutdown(60s));
  try {
    rt.spawn([] {}).join();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::operation_not_permitted);
  }
}

TEST_P(shutdown_test, a_fiber_that_drains_cannot_spawn) {
  runtime rt(opts());
  std::error_code seen;
  fiber f = rt.spawn([&] {
    try {
      this_fiber::sleep_for(1h);
    } catch (const std::system_error&) {
      try {
        spawn([] {}).join();
      } catch (const std::system_error& e) {
        seen = e.code();
      }
    }
  });
  EXPECT_TRUE(rt.shutdown(60s));
  f.join();
  EXPECT_EQ(seen, std::errc::operation_not_permitted);
}

// Spawns and the shutdown meet: each fiber is refused, or runs, and has ended when shutdown says so.
TEST_P(shutdown_test, meets_spawns_from_everywhere) {
  for (std::size_t round = 0; round < scaled(300); ++round) {
    std::atomic<int> running{0};
    runtime rt(opts());
    std::atomic<bool> go{false};
    const auto spawn_until_refused = [&](auto&& spawn_one) {
      try {
        for (;;) spawn_one();
      } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), std::errc::operation_not_permitted);
      }
    };
    const auto child = [&] {
      ++running;
      go = true;
      this_fiber::yield();
      --running;
    };
    fiber inside = rt.spawn([&] {
      spawn_until_refused([&] {
        sennit::go(child);
        this_fiber::yield();
      });
    });
    spin_until([&] { return go.load(); }, 20s);
    EXPECT_TRUE(rt.shutdown(60s));
    EXPECT_EQ(running, 0);
    inside.join();
  }
}

/// Destroys a runtime with a fiber that does not heed its stop; returns what was logged.
template <class Stubborn>
std::string destroyed_under(unsigned workers, Stubborn stubborn, std::optional<fiber>& handle) {
  ::testing::internal::CaptureStderr();
  {
    runtime rt({.workers = workers, .stall_threshold = {}, .shutdown_timeout = 50ms});
    std::atomic<bool> started{false};
    handle.emplace(rt.spawn({.name = "stubborn"}, [&started, stubborn] {
      started = true;
      stubborn();
    }));
    must(spin_until([&] { return started.load(); }, 20s), "the fiber does not start");
  }
  return ::testing::internal::GetCapturedStderr();
}

TEST_P(shutdown_test, names_a_fiber_that_waits_on_under_a_shield) {
  std::optional<fiber> f;
  const std::string text = destroyed_under(
      workers(),
      [] {
        const shield no_stops;
        this_fiber::sleep_for(1h);
      },
      f);
  EXPECT_NE(text.find("'stubborn' waits for sleep"), std::string::npos) << text;
  EXPECT_NE(text.find("shutdown_test.cpp"), std::string::npos) << "and says where it was spawned: " << text;
  EXPECT_EQ(code_of(*f), std::errc::operation_canceled);
}

TEST_P(shutdown_test, gives_up_on_a_fiber_that_yields_for_ever) {
  std::optional<fiber> f;
  const std::string text = destroyed_under(
      workers(),
      [] {
        for (;;) this_fiber::yield();
      },
      f);
  EXPECT_NE(text.find("stubborn"), std::string::npos) << text;
  EXPECT_EQ(code_of(*f), std::errc::operation_canceled);
}

TEST_P(shutdown_test, gives_up_on_a_fiber_that_swallows_its_stop) {
  std::optional<fiber> f;
  const std::string text = destroyed_under(
      workers(),
      [] {
        for (;;) {
          try {
            this_fiber::sleep_for(1h);
          } catch (const std::system_error&) {}
        }
      },
      f);
  EXPECT_NE(text.find("stubborn"), std::string::npos) << text;
  EXPECT_EQ(code_of(*f), std::errc::operation_canceled);
}

TEST_P(shutdown_test, who_joins_from_outside_is_told) {
  std::optional<runtime> rt;
  rt.emplace(options{.workers = workers(), .stall_threshold = {}, .shutdown_timeout = 50ms});
  fiber f = rt->spawn([] {
    const shield no_stops;
    this_fiber::sleep_for(1h);
  });
  std::error_code seen;
  park_probe probe;
  std::thread joiner([&] {
    probe.here();
    seen = code_of(f);
  });
  probe.await_parked();
  rt.reset();
  joiner.join();
  EXPECT_EQ(seen, std::errc::operation_canceled);
}

TEST_P(shutdown_test, a_fiber_that_never_ran_lets_go_what_it_holds) {
  std::optional<fiber> first, never;
  auto held = std::make_shared<int>(1);
  {
    runtime rt({.workers = workers(), .stall_threshold = {}, .shutdown_timeout = 50ms, .max_stacks = 1});
    std::atomic<bool> started{false};
    first.emplace(rt.spawn([&] {
      const shield no_stops;
      started = true;
      this_fiber::sleep_for(1h);
    }));
    must(spin_until([&] { return started.load(); }, 20s), "the fiber does not start");
    never.emplace(rt.spawn([held] { ADD_FAILURE() << "there was no stack"; }));
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(code_of(*first), std::errc::operation_canceled);
  EXPECT_EQ(code_of(*never), std::errc::operation_canceled);
}

// The waiting record lies on a stack that nobody will run again, and the primitive lives on.
TEST_P(shutdown_test, a_primitive_survives_a_waiter_that_was_given_up) {
  for (int round = 0; round < 10; ++round) {
    event set_later;
    mutex locked;
    locked.lock();
    std::optional<fiber> waits, locks;
    destroyed_under(
        workers(),
        [&] {
          const shield no_stops;
          set_later.wait();
        },
        waits);
    destroyed_under(workers(), [&] { const std::lock_guard never(locked); }, locks);
    set_later.set();
    locked.unlock();
    const bool got = locked.try_lock();
    if (got) locked.unlock();
    EXPECT_TRUE(got);
    EXPECT_EQ(code_of(*waits), std::errc::operation_canceled);
    EXPECT_EQ(code_of(*locks), std::errc::operation_canceled);
  }
}

// Hazard 27: the event, its fiber and the fiber's runtime are gone while the setter, in another runtime, may still be
// inside set().
TEST_P(shutdown_test, an_event_and_its_runtime_go_at_once_after_the_wake) {
  const std::size_t rounds = scaled(10'000) / 3;
  detail::random_source random(seed());
  runtime setters(opts());
  for (std::size_t i = 0; i < rounds; ++i) {
    std::optional<runtime> waiters;
    waiters.emplace(options{.workers = 1 + random.below(2), .stall_threshold = {}});
    std::atomic<haunted<event>*> shared{nullptr};
    fiber waiter = waiters->spawn([&] {
      haunted<event> e;
      shared = &e;
      e->wait();
      e.destroy();
      EXPECT_TRUE(e.intact());
    });
    fiber setter = setters.spawn([&] {
      until([&] { return shared.load() != nullptr; });
      (**shared.load()).set();
    });
    waiter.join();
    waiters.reset();
    setter.join();
  }
}

TEST_P(shutdown_test, a_joined_fiber_and_its_runtime_go_at_once) {
  const std::size_t rounds = scaled(10'000) / 3;
  runtime joiners(opts());
  for (std::size_t i = 0; i < rounds; ++i) {
    std::optional<runtime> rt;
    rt.emplace(options{.workers = 2, .stall_threshold = {}});
    fiber f = rt->spawn([] { this_fiber::yield(); });
    fiber joiner = joiners.spawn([&] { f.join(); });
    rt.reset();
    joiner.join();
  }
}

TEST(two_runtimes_test, wake_each_other) {
  runtime a({.workers = 1}), b({.workers = 2});
  const std::size_t rounds = scaled(100'000);
  baton to_a, to_b;
  fiber fa = a.spawn([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      to_b.post();
      to_a.wait();
      ASSERT_EQ(runtime::current(), &a);
    }
  });
  fiber fb = b.spawn([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      to_b.wait();
      to_a.post();
      ASSERT_EQ(runtime::current(), &b);
    }
  });
  fa.join();
  fb.join();
}

TEST(two_runtimes_test, spawn_and_join_across) {
  runtime a({.workers = 1}), b({.workers = 1});
  a.run([&] {
    fiber f = b.spawn([&] {
      EXPECT_EQ(runtime::current(), &b);
      return spawn([&] { EXPECT_EQ(runtime::current(), &b); }).join();
    });
    f.join();
    EXPECT_EQ(b.run([] { return 7; }), 7) << "run() parks the fiber of another runtime";
    EXPECT_EQ(runtime::current(), &a);
  });
}

}  // namespace
}  // namespace sennit::test

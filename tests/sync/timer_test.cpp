#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>
#include <sennit/select.hpp>
#include <sennit/timer.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using test::code_of;
using test::haunted;
using test::park_probe;
using test::scaled;
using test::until;

class timer_test : public test::runtimes {
 protected:
  /// `body` in a fiber, and again on a plain thread.
  template <class F>
  static void on_both(F&& body) {
    run(body);
    std::thread(body).join();
  }
};
INSTANTIATE_RUNTIMES(timer_test);

constexpr auto must_not_fire = [](auto&&...) { ADD_FAILURE() << "the wrong case fired"; };
constinit timer constant_initialised;

TEST_P(timer_test, never_ticks_early) {
  on_both([] {
    for (const nanoseconds d : {0ns, 1ns, 999ns, 50'000ns, 3'000'000ns}) {
      const auto start = steady_clock::now();
      timer t(d);
      EXPECT_TRUE(t.active()) << "nobody has taken the tick";
      t.wait();
      EXPECT_GE(steady_clock::now() - start, d);
      EXPECT_FALSE(t.active());
      EXPECT_FALSE(t.wait_for(0ns)) << "one tick per arming";
      t.reset_at(start + 2 * d);
      EXPECT_EQ(select(on_tick(t, [](steady_clock::time_point) {})), 0u);
      EXPECT_GE(steady_clock::now() - start, 2 * d);
    }
  });
}

TEST_P(timer_test, stop_and_reset_tell_whether_it_was_active) {
  on_both([] {
    timer t;
    EXPECT_FALSE(t.active());
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.reset(1h));
    EXPECT_TRUE(t.reset(2h));
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.reset(0s)) << "stopped before";
    EXPECT_TRUE(t.reset(0s)) << "its time has come, but nobody has taken the tick";
    t.wait();
    EXPECT_FALSE(t.reset(1h));
    EXPECT_TRUE(t.reset_at(steady_clock::time_point::min()));
    t.wait();
    EXPECT_FALSE(t.stop());
  });
}

// Go before 1.23 left the tick of an expired timer in its channel: stop() and reset() had to drain it.
TEST_P(timer_test, no_stale_tick_after_stop_or_reset) {
  on_both([] {
    timer t(0s);
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.wait_for(0s));
    t.reset(0s);
    t.reset(1h);
    EXPECT_FALSE(t.wait_for(0s));
    EXPECT_EQ(select(on_tick(t, must_not_fire), otherwise([] {})), 1u);
    ticker k(1ns);
    k.reset(1h);
    EXPECT_EQ(k.wait_for(0s), std::nullopt);
    k.reset(1ns);
    k.stop();
    EXPECT_EQ(k.wait_for(0s), std::nullopt);
    EXPECT_EQ(select(on_tick(k, must_not_fire), otherwise([] {})), 1u);
  });
}

TEST_P(timer_test, a_bound_ends_the_wait_and_leaves_the_timer_alone) {
  on_both([] {
    haunted<timer> t(1h);
    const auto start = steady_clock::now();
    EXPECT_FALSE(t->wait_for(2ms));
    EXPECT_GE(steady_clock::now() - start, 2ms);
    EXPECT_FALSE(t->wait_until(steady_clock::time_point::min()));
    EXPECT_FALSE(t->wait_until(std::chrono::system_clock::now() + 1ms));
    EXPECT_TRUE(t->active());
    t->reset(1ms);
    EXPECT_TRUE(t->wait_for(std::chrono::hours(1'000'000)));
    t->reset(0s);
    EXPECT_TRUE(t->wait_for(-1s)) << "a bound in the past tries once";
    t.destroy();
    this_fiber::sleep_for(1ms);  // parks again: no stale node wakes it
    EXPECT_TRUE(t.intact());
  });
}

/// Starts `wait` in a fiber or on a plain thread, calls `then` when it is parked, and joins it.
template <class Wait, class Then>
void while_it_waits(bool thread, Wait&& wait, Then&& then) {
  park_probe probe;
  const auto body = [&] {
    probe.here();
    wait();
  };
  std::thread t;
  fiber f;
  if (thread) {
    t = std::thread(body);
  } else {
    f = spawn(body);
  }
  probe.await_parked();
  then();
  thread ? t.join() : f.join();
}

TEST_P(timer_test, reset_shortens_and_lengthens_what_others_wait_for) {
  run([] {
    for (const bool thread : {false, true}) {
      timer t(1h);
      while_it_waits(thread, [&] { t.wait(); }, [&] { EXPECT_TRUE(t.reset(1ms)); });
      t.reset(1h);
      steady_clock::time_point start;
      bool moved = false;
      park_probe probe;
      while_it_waits(
          thread,
          [&] {
            probe.here();
            t.wait();
          },
          [&] {
            t.reset(100ms);
            until([&] { return !t.active() || probe.parked(); });
            start = steady_clock::now();
            moved = t.reset(150ms);
          });
      if (moved) {
        EXPECT_GE(steady_clock::now() - start, 150ms);
      }
      timer never_armed;
      while_it_waits(thread, [&] { never_armed.wait(); }, [&] { EXPECT_FALSE(never_armed.reset(0s)); });
      while_it_waits(thread, [&] { constant_initialised.wait(); }, [&] { constant_initialised.reset(0s); });
    }
  });
}

TEST_P(timer_test, a_timer_that_is_stopped_under_a_wait_ticks_when_it_is_reset) {
  run([] {
    for (const bool thread : {false, true}) {
      timer t(1h);
      std::atomic<bool> ticked{false};
      park_probe probe;
      while_it_waits(
          thread,
          [&] {
            probe.here();
            t.wait();
            ticked = true;
          },
          [&] {
            t.reset(20ms);
            until([&] { return !t.active() || probe.parked(); });
            if (!t.stop()) return;  // too late
            this_fiber::sleep_for(25ms);
            EXPECT_FALSE(ticked) << "it was stopped";
            t.reset(1ms);
          });
      ticker k(1h);
      k.stop();
      while_it_waits(thread, [&] { k.wait(); }, [&] { k.reset(1ms); });
    }
  });
}

// A timeout that is put off with every message: the waiter is not woken each time.
TEST_P(timer_test, putting_a_timer_off_wakes_nobody) {
  run([] {
    timer t(1h);
    park_probe probe;
    fiber f = spawn([&] {
      probe.here();
      t.wait();
    });
    probe.await_parked();
    const auto before = runtime::current()->stats().parks;
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(t.reset(2h + i * 1s));
    EXPECT_TRUE(probe.parked());
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.reset(1h + 1s));
    this_fiber::yield();
    EXPECT_TRUE(probe.parked());
    EXPECT_EQ(runtime::current()->stats().parks, before);
    t.reset(0s);
    f.join();
  });
}

TEST_P(timer_test, one_tick_goes_to_one_of_many_waiters) {
  run([] {
    constexpr std::size_t crowd = 12;
    timer t;
    std::atomic<std::size_t> ticks{0};
    std::vector<park_probe> probes(crowd);
    std::vector<fiber> fibers;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < crowd; ++i) {
      const auto body = [&, i] {
        probes[i].here();
        i % 2 == 0 ? t.wait() : void(select(on_tick(t, [] {})));
        ++ticks;
      };
      if (i % 4 == 3) {
        threads.emplace_back(body);
      } else {
        fibers.push_back(spawn(body));
      }
    }
    for (const park_probe& p : probes) p.await_parked();
    for (std::size_t i = 0; i < crowd; ++i) {
      EXPECT_FALSE(t.reset(i % 3 * 200us));
      until([&] { return ticks == i + 1; });
      EXPECT_FALSE(t.active());
    }
    for (fiber& f : fibers) f.join();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ticks, crowd);
  });
}

TEST_P(timer_test, a_ticker_keeps_its_phase_and_drops_what_was_missed) {
  on_both([] {
    constexpr nanoseconds period = 2ms;
    const auto before = steady_clock::now();
    ticker k(period);
    const auto after = steady_clock::now();
    const auto first = k.wait();
    EXPECT_GE(first, before + period);
    EXPECT_LE(first, after + period);
    auto last = first;
    // The tick after one that was taken at `taken` or a little before.
    const auto next_after = [&](steady_clock::time_point taken) {
      return last + period * ((taken - last) / period + 1);
    };
    auto next_due = next_after(steady_clock::now());
    for (int i = 0; i < 12; ++i) {
      if (i % 3 == 2) this_fiber::sleep_for(period * i / 2);
      const auto tick = i % 2 == 0 ? k.wait() : k.wait_for(1h).value();
      ASSERT_GE(steady_clock::now(), tick) << "early";
      EXPECT_EQ((tick - first) % period, 0ns) << "out of phase";
      ASSERT_GT(tick, last) << "a tick twice";
      EXPECT_LE(tick, next_due) << "the first that was missed is kept";
      last = tick;
      next_due = next_after(steady_clock::now());
      // One tick and no more for all that was missed: what comes next was not due yet when that one was taken.
      const auto before_more = steady_clock::now();
      if (const auto more = k.wait_for(0s)) {
        EXPECT_GT(*more + period, before_more) << "a missed tick that should have been dropped";
        last = *more;
        next_due = next_after(steady_clock::now());
      }
    }
    k.reset(3 * period);
    const auto again = steady_clock::now();
    EXPECT_GE(k.wait() + 1ms, again + 3 * period);
    std::size_t told = 0;
    EXPECT_EQ(select(on_tick(k, [&](ticker::time_point due) { told += due <= steady_clock::now(); })), 0u);
    EXPECT_EQ(told, 1u);
  });
}

TEST_P(timer_test, a_period_that_is_none_is_refused) {
  const auto refused = [](auto d) {
    EXPECT_EQ(code_of([d] { const ticker k(d); }), std::errc::invalid_argument);
    ticker k(1h);
    EXPECT_EQ(code_of([&] { k.reset(d); }), std::errc::invalid_argument);
    EXPECT_EQ(k.wait_for(0s), std::nullopt);
  };
  refused(0s);
  refused(-1ns);
  refused(std::chrono::hours::min());
  refused(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
}

TEST_P(timer_test, absurd_durations) {
  on_both([] {
    const auto at_once = [](auto d) {
      timer t(d);
      EXPECT_TRUE(t.wait_for(0s));
    };
    at_once(-1ns);
    at_once(std::chrono::hours::min());
    at_once(nanoseconds::min());
    at_once(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
    at_once(std::chrono::duration<float>(-std::numeric_limits<float>::infinity()));
    const auto never_ticks = [](auto d) {
      timer t(d);
      EXPECT_TRUE(t.active()) << "armed, however late";
      EXPECT_FALSE(t.wait_for(1ms));
      EXPECT_EQ(select(on_tick(t, must_not_fire), after(1ms, [] {})), 1u);
      EXPECT_TRUE(t.reset(d));
      EXPECT_TRUE(t.stop());
      ticker k(d);
      EXPECT_FALSE(k.wait_for(1ms));
    };
    never_ticks(std::chrono::hours::max());
    never_ticks(nanoseconds::max());
    never_ticks(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
    never_ticks(std::chrono::duration<double>(1e300));
    never_ticks(std::chrono::hours(24 * 365 * 300));
    timer t;
    EXPECT_FALSE(t.reset_at(steady_clock::time_point::max()));
    EXPECT_TRUE(t.active());
    EXPECT_FALSE(t.wait_for(0s));
    EXPECT_TRUE(t.reset_at(std::chrono::system_clock::time_point::min()));
    t.wait();
    ticker fast(std::chrono::duration<double, std::nano>(0.001));  // rounded up to a nanosecond
    const auto first = fast.wait();
    EXPECT_GT(fast.wait(), first);
  });
}

// A wait for what is centuries away really parks, and can be ended.
TEST_P(timer_test, a_wait_of_centuries_ends_by_a_reset) {
  run([] {
    for (const bool thread : {false, true}) {
      timer t(nanoseconds::max());
      while_it_waits(thread, [&] { t.wait(); }, [&] { EXPECT_TRUE(t.reset(0s)); });
    }
  });
}

TEST_P(timer_test, a_token_and_an_ambient_stop_end_the_wait_but_not_one_that_need_not_wait) {
  run([] {
    for (const bool thread : {false, true}) {
      for (const bool armed : {false, true}) {
        timer t;
        if (armed) t.reset(1h);
        stop_source source;
        std::error_code code;
        while_it_waits(
            thread, [&] { code = code_of([&] { t.wait(source.get_token()); }); }, [&] { source.request_stop(); });
        EXPECT_EQ(code, std::errc::operation_canceled);
        EXPECT_EQ(code_of([&] { t.wait_for(1h, source.get_token()); }), std::errc::operation_canceled);
        EXPECT_EQ(t.stop(), armed) << "the wait that was stopped has taken nothing";
        t.reset(0s);
        t.wait(source.get_token());
      }
    }
    timer t(1h);
    ticker k(1ns);
    std::error_code code;
    park_probe probe;
    scope s;
    s.spawn([&] {
      probe.here();
      code = code_of([&] { t.wait(); });
      k.wait();
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
    scope timed(steady_clock::now() + 2ms);
    EXPECT_EQ(code_of([&] { t.wait(); }), std::errc::timed_out);
    EXPECT_TRUE(t.active());
  });
}

TEST_P(timer_test, in_a_select_with_a_channel) {
  run([] {
    for (const bool thread : {false, true}) {
      channel<int> ch;
      timer t(1h);
      std::size_t fired = 9;
      const auto wait = [&] { fired = select(on_receive(ch, [](std::optional<int>) {}), on_tick(t, [] {})); };
      while_it_waits(thread, wait, [&] { ch.send(1); });
      EXPECT_EQ(fired, 0u);
      EXPECT_TRUE(t.active());
      while_it_waits(thread, wait, [&] { t.reset(1ms); });
      EXPECT_EQ(fired, 1u);
      EXPECT_FALSE(t.active());
      while_it_waits(thread, wait, [&] {  // not active: waits all the same
        t.reset(1h);
        t.reset(1ms);
        if (t.stop()) ch.send(2);
      });
      EXPECT_FALSE(ch.try_send(3)) << "nobody is left in the channel";
      ticker k(100us);
      std::size_t ticks = 0;
      while (ticks < 5) select(on_receive(ch, must_not_fire), on_tick(k, [&] { ++ticks; }), on_tick(t, must_not_fire));
      // The earliest of several, and the same one twice.
      timer late(1h);
      t.reset(1ms);
      EXPECT_EQ(select(on_tick(late, must_not_fire), on_tick(t, [] {}), after(1h, must_not_fire)), 1u);
      t.reset(1ms);
      std::size_t took = 0;
      EXPECT_LT(select(on_tick(t, [&] { ++took; }), on_tick(t, [&] { ++took; })), 2u);
      EXPECT_EQ(took, 1u);
      EXPECT_FALSE(t.active());
    }
  });
}

// Hazard 27: the waiter destroys the timer as soon as its wait returns, while another one is still in reset().
TEST_P(timer_test, destroyed_at_once_reset_by_another_runtime) {
  runtime other(opts());
  run([&] {
    const std::size_t rounds = scaled(50'000);
    for (std::size_t i = 0; i < rounds; ++i) {
      haunted<timer> t;
      fiber setter = other.spawn([&t] { t->reset(0s); });
      i % 2 == 0 ? t->wait() : void(select(on_tick(*t, [] {})));
      t.destroy();
      setter.join();
      ASSERT_TRUE(t.intact()) << "round " << i;
    }
  });
}

TEST(timer_death_test, destroyed_while_somebody_waits) {
  EXPECT_DEATH(
      {
        auto t = std::make_unique<timer>();
        std::thread waits([&] { t->wait(); });
        sennit::run({.workers = 1}, [&] {
          park_probe probe;
          fiber f(attributes{.name = "sleeper"}, [&] {
            probe.here();
            t->wait();
          });
          probe.await_parked();
          t.reset();
        });
      },
      "somebody waits in it.*fiber 'sleeper'");
}

}  // namespace
}  // namespace sennit

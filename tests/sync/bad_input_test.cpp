// What no caller should pass, and some will: one suite over everything that can be waited for with a time, then limits
// of each primitive that its own test does not try.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>

#include <sennit/barrier.hpp>
#include <sennit/channel.hpp>
#include <sennit/condition_variable.hpp>
#include <sennit/condition_variable_any.hpp>
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/latch.hpp>
#include <sennit/recursive_mutex.hpp>
#include <sennit/scope.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/shared_mutex.hpp>
#include <sennit/timed_mutex.hpp>
#include <sennit/wait_group.hpp>

#include "support/runtimes.hpp"

#if defined(__clang__)  // what is held by the fixture, and until when, is more than the analysis follows
#pragma clang diagnostic ignored "-Wthread-safety-analysis"
#endif

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::park_probe;
using test::scaled;
using real_seconds = std::chrono::duration<double>;

/// Ways to wait, each with the two forms of a limit: for_() and until() time out before satisfy() was called, and are
/// true afterwards. Who makes one also satisfies it; others wait.
template <class M>
struct locking {
  M m;
  locking() { m.lock(); }
  void satisfy() { m.unlock(); }
  bool until(steady_clock::time_point t) { return kept(m.try_lock_until(t)); }
  template <class D>
  bool for_(D d) {
    return kept(m.try_lock_for(d));
  }
  bool kept(bool locked) {
    if (locked) m.unlock();
    return locked;
  }
};
template <class M>
struct locking_shared {
  M m;
  locking_shared() { m.lock(); }
  void satisfy() { m.unlock(); }
  bool until(steady_clock::time_point t) { return kept(m.try_lock_shared_until(t)); }
  template <class D>
  bool for_(D d) {
    return kept(m.try_lock_shared_for(d));
  }
  bool kept(bool locked) {
    if (locked) m.unlock_shared();
    return locked;
  }
};
struct acquiring {
  counting_semaphore<> s{0};
  void satisfy() { s.release(1000); }
  bool until(steady_clock::time_point t) { return s.try_acquire_until(t); }
  template <class D>
  bool for_(D d) {
    return s.try_acquire_for(d);
  }
};
struct sending {
  channel<int> ch{1};
  sending() { ch.send(0); }
  void satisfy() { static_cast<void>(ch.receive()); }
  bool until(steady_clock::time_point t) { return kept(ch.send_until(1, t)); }
  template <class D>
  bool for_(D d) {
    return kept(ch.send_for(1, d));
  }
  bool kept(bool sent) {
    if (sent) static_cast<void>(ch.receive());
    return sent;
  }
};
struct receiving {
  channel<int> ch{unbounded};
  void satisfy() {
    for (int i = 0; i < 100; ++i) ch.send(i);
  }
  bool until(steady_clock::time_point t) { return ch.receive_until(t).has_value(); }
  template <class D>
  bool for_(D d) {
    return ch.receive_for(d).has_value();
  }
};
template <class W>
struct waiting {
  W w = make();
  static W make() {
    if constexpr (std::is_same_v<W, latch>) {
      return W(1);
    } else {
      return W();
    }
  }
  waiting() {
    if constexpr (std::is_same_v<W, wait_group>) w.add();
  }
  void satisfy() {
    if constexpr (std::is_same_v<W, event>) {
      w.set();
    } else if constexpr (std::is_same_v<W, latch>) {
      w.count_down();
    } else {
      w.done();
    }
  }
  bool until(steady_clock::time_point t) { return w.wait_until(t); }
  template <class D>
  bool for_(D d) {
    return w.wait_for(d);
  }
};
template <class Condition>
struct notified {
  mutex m;
  Condition c;
  bool ready = false;
  void satisfy() {
    const std::lock_guard lock(m);
    ready = true;
    c.notify_all();
  }
  bool until(steady_clock::time_point t) {
    std::unique_lock lock(m);
    return c.wait_until(lock, t, [&] { return ready; });
  }
  template <class D>
  bool for_(D d) {
    std::unique_lock lock(m);
    return c.wait_for(lock, d, [&] { return ready; });
  }
};

template <class Wait>
class bad_time : public ::testing::Test {
 protected:
  /// body(wait) on a fiber and on a plain thread that are not satisfied, then on one that is.
  template <class F>
  static void try_out(F&& body) {
    sennit::run({.workers = 2, .stall_threshold = {}}, [&] {
      Wait wait;
      spawn([&] { body(wait, false); }).join();
      sennit::blocking([&] { body(wait, false); });
      wait.satisfy();
      spawn([&] { body(wait, true); }).join();
      sennit::blocking([&] { body(wait, true); });
    });
  }
  /// body(wait) parks, on a fiber and on a plain thread, and is true once it is satisfied.
  template <class F>
  static void expect_to_park(F&& body) {
    sennit::run({.workers = 2, .stall_threshold = {}}, [&] {
      for (const bool on_a_thread : {false, true}) {
        Wait wait;
        park_probe probe;
        bool satisfied = false;
        const auto waiter = [&] {
          probe.here();
          satisfied = body(wait);
        };
        fiber f = spawn([&] { on_a_thread ? sennit::blocking(waiter) : waiter(); });
        probe.await_parked();
        wait.satisfy();
        f.join();
        EXPECT_TRUE(satisfied);
      }
    });
  }
};
using waits =
    ::testing::Types<locking<timed_mutex>, locking<recursive_timed_mutex>, locking<shared_timed_mutex>,
                     locking_shared<shared_timed_mutex>, acquiring, sending, receiving, waiting<event>, waiting<latch>,
                     waiting<wait_group>, notified<condition_variable>, notified<condition_variable_any>>;
TYPED_TEST_SUITE(bad_time, waits);

constexpr auto not_a_number = real_seconds(std::numeric_limits<double>::quiet_NaN());
constexpr auto infinity = real_seconds(std::numeric_limits<double>::infinity());

/// Every span that is over before it begins.
template <class F>
void for_each_empty_span(F&& f) {
  f(0ns);
  f(-1ns);
  f(std::chrono::nanoseconds::min());
  f(std::chrono::hours::min());
  f(std::chrono::duration<std::int8_t, std::ratio<86400>>::min());
  f(not_a_number);
  f(-not_a_number);
  f(std::chrono::duration<float>(std::numeric_limits<float>::quiet_NaN()));
  f(std::chrono::duration<long double, std::nano>(std::numeric_limits<long double>::quiet_NaN()));
  f(-infinity);
  f(real_seconds::min());
  f(real_seconds(-0.0));
}

/// Every span, and point in time, that nobody lives to see.
template <class F>
void for_each_endless_span(F&& f) {
  f(std::chrono::hours::max());
  f(std::chrono::nanoseconds::max());
  f(std::chrono::nanoseconds::max() - 1ns);
  f(std::chrono::duration<std::uint64_t, std::ratio<86400 * 366>>::max());
  f(infinity);
  f(real_seconds::max());
  f(real_seconds(9.0e9));
  f(std::chrono::duration<float, std::pico>(std::numeric_limits<float>::infinity()));
}

TYPED_TEST(bad_time, a_span_of_nothing_tries_once) {
  this->try_out(
      [](auto& wait, bool satisfied) { for_each_empty_span([&](auto d) { EXPECT_EQ(wait.for_(d), satisfied); }); });
}

TYPED_TEST(bad_time, less_than_a_nanosecond_ends) {
  this->try_out([](auto& wait, bool satisfied) {
    EXPECT_EQ(wait.for_(real_seconds(std::numeric_limits<double>::denorm_min())), satisfied);
    EXPECT_EQ(wait.for_(std::chrono::duration<std::int64_t, std::atto>(1)), satisfied);
    EXPECT_EQ(wait.for_(std::chrono::duration<double, std::nano>(0.5)), satisfied);
  });
}

TYPED_TEST(bad_time, a_deadline_in_the_past_tries_once) {
  this->try_out([](auto& wait, bool satisfied) {
    for (const auto t : {steady_clock::time_point::min(), steady_clock::time_point(-1ns), steady_clock::time_point(),
                         steady_clock::now() - 1h, steady_clock::now()}) {
      EXPECT_EQ(wait.until(t), satisfied);
    }
  });
}

TYPED_TEST(bad_time, what_does_not_fit_is_for_ever) {
  for_each_endless_span([this](auto d) { this->expect_to_park([d](auto& wait) { return wait.for_(d); }); });
  for (const auto t : {steady_clock::time_point::max(), steady_clock::time_point::max() - 1ns}) {
    this->expect_to_park([t](auto& wait) { return wait.until(t); });
  }
}

class bad_input_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(bad_input_test);

TEST_P(bad_input_test, sleeping_for_nothing_returns) {
  const auto body = [] {
    for_each_empty_span([](auto d) { this_fiber::sleep_for(d); });
    this_fiber::sleep_until(steady_clock::time_point::min());
  };
  run(body);
  body();
}

TEST_P(bad_input_test, a_stop_ends_a_sleep_without_end) {
  run([] {
    for_each_endless_span([](auto d) {
      park_probe probe;
      std::error_code code;
      scope s;
      s.spawn([&] {
        probe.here();
        try {
          this_fiber::sleep_for(d);
        } catch (const std::system_error& e) {
          code = e.code();
        }
      });
      probe.await_parked();
      s.request_stop();
      s.join();
      EXPECT_EQ(code, std::errc::operation_canceled);
    });
  });
}

TEST_P(bad_input_test, the_deadline_of_a_scope_may_have_passed_long_ago) {
  run([] {
    for (const auto t : {steady_clock::time_point::min(), steady_clock::time_point(), steady_clock::now()}) {
      scope s(t);
      std::error_code code;
      s.spawn([&] {
        try {
          event().wait();
        } catch (const std::system_error& e) {
          code = e.code();
        }
      });
      s.join();
      EXPECT_EQ(code, std::errc::timed_out);
    }
  });
}

/// Of 64 bytes, and aligned to them.
struct alignas(64) wide {
  std::byte bytes[64];
};

// One of them overflows to nothing when it is multiplied by the size.
TEST(bad_input_limits_test, an_absurd_capacity_is_an_error) {
  const auto refuses = []<class T>(std::type_identity<T>) {
    constexpr std::size_t max = std::numeric_limits<std::size_t>::max();
    for (const std::size_t capacity :
         {max, max / sizeof(T), max / 2 + 1, max / 2 / sizeof(T) + 1, sizeof(T) == 1 ? max : max / sizeof(T) + 1}) {
      EXPECT_THROW(channel<T>{capacity}, std::bad_array_new_length) << capacity << " of " << sizeof(T);
    }
  };
  refuses(std::type_identity<char>());
  refuses(std::type_identity<std::uint16_t>());
  refuses(std::type_identity<std::uint64_t>());
  refuses(std::type_identity<wide>());
}

TEST_P(bad_input_test, of_many_who_close_a_channel_one_does) {
  run([] {
    for (std::size_t round = 0; round < scaled(2'000); ++round) {
      channel<int> ch(round % 2);
      std::atomic<int> closed{0};
      std::atomic<int> refused{0};
      const auto close = [&] {
        try {
          ch.close();
          ++closed;
        } catch (const std::system_error& e) {
          if (e.code() == std::errc::broken_pipe) ++refused;
        }
      };
      scope s;
      for (int i = 0; i < 4; ++i) s.spawn(close);
      s.join();
      close();
      ASSERT_EQ(closed, 1);
      ASSERT_EQ(refused, 4);
      EXPECT_EQ(ch.receive(), std::nullopt);
    }
  });
}

TEST(bad_input_limits_test, counts_at_their_limits) {
  constexpr auto max = std::numeric_limits<std::ptrdiff_t>::max();
  counting_semaphore<> full(max);
  full.release(0);
  EXPECT_TRUE(full.try_acquire());
  full.release();
  counting_semaphore<0> nothing(0);
  EXPECT_FALSE(nothing.try_acquire());
  EXPECT_FALSE(nothing.try_acquire_for(1ns));
  latch many(latch::max());
  many.count_down(0);
  EXPECT_FALSE(many.try_wait());
  many.count_down(latch::max());
  EXPECT_TRUE(many.try_wait());
  latch none(0);
  none.count_down(0);
  none.wait();
  const barrier<> nobody(0);
  barrier<> all(barrier<>::max());
  static_cast<void>(all.arrive(barrier<>::max() - 1));
  all.arrive_and_wait();
}

TEST(bad_input_death_test, counts_over_their_limits) {
  GTEST_FLAG_SET(death_test_style, "fast");
  constexpr auto min = std::numeric_limits<std::ptrdiff_t>::min();
  constexpr auto max = std::numeric_limits<std::ptrdiff_t>::max();
  EXPECT_DEATH(counting_semaphore<>(max).release(), "over max");
  EXPECT_DEATH(counting_semaphore<>(1).release(max), "over max");
  EXPECT_DEATH(counting_semaphore<>(0).release(min), "over max");
  EXPECT_DEATH(counting_semaphore<3>(1).release(3), "over max");
  EXPECT_DEATH(counting_semaphore<0>(0).release(), "over max");
  EXPECT_DEATH(counting_semaphore<3>(4), "0 to max");
  EXPECT_DEATH(latch(0).count_down(), "counts down to zero once");
  EXPECT_DEATH(latch(1).count_down(min), "counts down to zero once");
  EXPECT_DEATH(latch(1).count_down(max), "counts down to zero once");
  EXPECT_DEATH(latch(1).arrive_and_wait(2), "counts down to zero once");
  EXPECT_DEATH(latch{min}, "number of those to wait for");
  EXPECT_DEATH(static_cast<void>(barrier<>(1).arrive(0)), "more arrivals");
  EXPECT_DEATH(static_cast<void>(barrier<>(1).arrive(-1)), "more arrivals");
  EXPECT_DEATH(static_cast<void>(barrier<>(1).arrive(max)), "more arrivals");
  EXPECT_DEATH(static_cast<void>(barrier<>(0).arrive()), "more arrivals");
  EXPECT_DEATH(barrier<>{min}, "number of those who arrive");
  EXPECT_DEATH(
      {
        barrier<> b(1);
        b.arrive_and_drop();
        b.arrive_and_drop();  // nobody is expected any more
      },
      "more arrivals");
}

}  // namespace
}  // namespace sennit

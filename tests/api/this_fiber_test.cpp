#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include <sennit/error.hpp>
#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

class this_fiber_test : public runtimes {};
INSTANTIATE_RUNTIMES(this_fiber_test);

TEST(this_fiber_on_a_plain_thread_test, does_what_this_thread_does) {
  this_fiber::yield();
  this_fiber::maybe_yield();
  const auto start = steady_clock::now();
  this_fiber::sleep_for(2ms);
  EXPECT_GE(steady_clock::now() - start, 2ms);
  this_fiber::sleep_until(steady_clock::now() - 1h);
  EXPECT_EQ(this_fiber::get_id(), fiber::id());
  EXPECT_EQ(this_fiber::name(), "");
  EXPECT_FALSE(this_fiber::get_stop_token().stop_possible());
  EXPECT_FALSE(this_fiber::stop_requested());
  const pin_guard pinned;
  const shield shielded;
}

TEST_P(this_fiber_test, sleeps_as_long_as_it_says) {
  run([] {
    for (const auto span : {0ns, -1ns, 1ns, 100'000ns, 3'000'000ns}) {
      const auto start = steady_clock::now();
      this_fiber::sleep_for(span);
      EXPECT_GE(steady_clock::now() - start, span);
    }
    this_fiber::sleep_for(-std::chrono::hours(24 * 365 * 200));
    this_fiber::sleep_for(std::chrono::duration<double>(1e-6));
    this_fiber::sleep_until(steady_clock::time_point::min());
  });
}

TEST_P(this_fiber_test, sleepers_wake_in_the_order_of_their_deadlines) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [] {
    std::vector<int> order;
    std::mutex lock;  // one worker, but nothing that TSan could go by
    scope all;
    const auto start = steady_clock::now() + 20ms;
    for (const int i : {5, 2, 8, 1, 9, 3, 7, 4, 6, 0}) {
      all.spawn([&, i] {
        this_fiber::sleep_until(start + i * 1ms);
        const std::lock_guard guard(lock);
        order.push_back(i);
      });
    }
    all.join();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  });
}

TEST_P(this_fiber_test, a_sleep_without_end_is_ended_by_a_stop) {
  run([] {
    scope s(on_exception::log);
    std::error_code code;
    park_probe probe;
    s.spawn([&] {
      probe.here();
      try {
        this_fiber::sleep_for(std::chrono::hours::max());
      } catch (const std::system_error& e) {
        code = e.code();
      }
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
  });
}

TEST_P(this_fiber_test, a_stop_ends_also_sleeps_that_would_not_wait) {
  run([] {
    scope s(on_exception::log);
    s.spawn([&] {
      s.request_stop();
      EXPECT_TRUE(this_fiber::stop_requested());
      EXPECT_THROW(this_fiber::sleep_for(0ns), std::system_error);
      EXPECT_THROW(this_fiber::sleep_for(1h), std::system_error);
      EXPECT_THROW(this_fiber::maybe_yield(), std::system_error);
      this_fiber::yield();  // never
      const shield off;
      EXPECT_FALSE(this_fiber::stop_requested());
      this_fiber::sleep_for(1us);
      this_fiber::maybe_yield();
    });
    s.join();
  });
}

TEST_P(this_fiber_test, a_scopes_deadline_ends_a_sleep) {
  run([] {
    scope s{scope::options{.policy = on_exception::log, .deadline = steady_clock::now() + 2ms}};
    std::error_code code;
    s.spawn([&] {
      try {
        this_fiber::sleep_for(1h);
      } catch (const std::system_error& e) {
        code = e.code();
      }
    });
    s.join();
    EXPECT_EQ(code, error::deadline_passed);
    EXPECT_EQ(code, std::errc::timed_out);
  });
}

TEST_P(this_fiber_test, maybe_yield_yields_now_and_then) {
  sennit::run({.workers = 1}, [] {
    std::atomic<int> others = 0;
    std::atomic<bool> stop = false;
    fiber f([&] {
      while (!stop) {
        ++others;
        this_fiber::yield();
      }
    });
    for (int i = 0; i < 61 * 10; ++i) this_fiber::maybe_yield();
    EXPECT_GE(others, 9);
    EXPECT_LE(others, 30);
    stop = true;
    f.join();
  });
}

TEST_P(this_fiber_test, a_yield_lets_the_others_run_first) {
  sennit::run({.workers = 1}, [] {
    std::atomic<int> step = 0;
    int before = 0, after = 0, other = 0;
    fiber a([&] {
      before = ++step;
      this_fiber::yield();
      after = ++step;
    });
    fiber b([&] { other = ++step; });
    a.join();
    b.join();
    EXPECT_EQ(after, 3);
    EXPECT_EQ(before + other, 3);
  });
}

}  // namespace
}  // namespace sennit::test

// What ends an operation that waits: a close, a stop, a deadline, and each of these beside the data. For all of them.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "net/operations.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// A plain thread that does one thing at a time, for who waits for it: a thread of its own for each would be slower
/// than what is tested.
class other_thread {
 public:
  other_thread() : thread_([this] { serve(); }) {}
  ~other_thread() {
    call({});
    thread_.join();
  }
  other_thread(const other_thread&) = delete;
  other_thread& operator=(const other_thread&) = delete;

  /// Blocks the worker that it is called on, as joining a thread would.
  void call(std::function<void()> f) {
    work_ = std::move(f);
    turn_.store(1, std::memory_order_release);
    turn_.notify_all();
    turn_.wait(1, std::memory_order_acquire);
  }

 private:
  void serve() {
    for (bool more = true; more;) {
      turn_.wait(0, std::memory_order_acquire);
      more = static_cast<bool>(work_);
      if (more) std::exchange(work_, {})();  // what it holds is not kept
      turn_.store(0, std::memory_order_release);
      turn_.notify_all();
    }
  }
  std::function<void()> work_;
  std::atomic<int> turn_{0};
  std::thread thread_;
};

class in_flight : public ::testing::TestWithParam<operation_kind> {
 protected:
  /// fn(random) `full` times in all, scaled, in runtimes of one, two and four workers; nothing may stay open.
  template <class F>
  static void storm(std::size_t full, F&& fn) {
    const std::uint64_t start = seed();
    with_runtimes([&] {
      detail::random_source random(start + runs++);
      fn(random);  // what is made once for all is made here
      const auto open = [] { return open_descriptors() - open_descriptors("io_uring"); };  // each worker keeps a ring
      const std::size_t before = open();
      for (std::size_t i = scaled(full) / GetParam().cost / 3; i > 0 && !HasFailure(); --i) fn(random);
      EXPECT_EQ(open(), before);
    });
  }
  static operation make() { return GetParam().make(); }
  static inline std::uint64_t runs = 0;
};

/// Lets an operation that was spawned come to its wait, or not quite.
void somewhere_before_the_wait(detail::random_source& random, const park_probe& waiting) {
  if (random.below(2) == 0) return waiting.await_parked();
  for (auto i = random.below(4); i > 0; --i) this_fiber::yield();
}

class closed_in_flight : public in_flight {};

TEST_P(closed_in_flight, by_a_fiber_and_by_a_thread) {
  // Hazard 12.
  other_thread other;
  std::size_t count = 0;
  storm(200'000, [&](detail::random_source& random) {
    const operation op = make();
    park_probe waiting;
    std::error_code ec;
    scope s;
    s.spawn([&] {
      waiting.here();
      op.run(ec, {}, no_limit);
    });
    somewhere_before_the_wait(random, waiting);
    if (++count % 2 == 0) {
      other.call(op.close);
    } else {
      op.close();
    }
    s.join();
    ASSERT_EQ(ec, GetParam().closed) << ec.message();
    op.run(ec, {}, no_limit);
    ASSERT_EQ(ec, GetParam().closed) << "and again: " << ec.message();
  });
}

TEST_P(in_flight, a_stop_of_the_token_and_of_the_scope) {
  std::size_t count = 0;
  storm(20'000, [&](detail::random_source& random) {
    const operation op = make();
    const bool ambient = ++count % 2 == 0;
    stop_source source;
    park_probe waiting;
    std::error_code ec;
    scope s;
    s.spawn([&] {
      waiting.here();
      op.run(ec, ambient ? stop_token() : source.get_token(), no_limit);
    });
    somewhere_before_the_wait(random, waiting);
    ambient ? s.request_stop() : static_cast<void>(source.request_stop());
    s.join();
    ASSERT_EQ(ec, std::errc::operation_canceled) << ec.message();
  });
}

TEST_P(in_flight, a_deadline_of_its_own_and_of_the_scope) {
  std::size_t count = 0;
  storm(3000, [&](detail::random_source& random) {
    const operation op = make();
    const bool ambient = ++count % 2 == 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random.below(500));
    std::error_code ec;
    {
      scope s(ambient ? end : no_limit);
      s.spawn([&] { op.run(ec, {}, ambient ? no_limit : end); });
      static_cast<void>(code_of([&] { s.join(); }));  // it bounds the join, too
    }
    ASSERT_EQ(ec, error::deadline_passed) << ec.message();
    ASSERT_GE(std::chrono::steady_clock::now(), end);
  });
}

class fed_in_flight : public in_flight {
 protected:
  /// One run that `ends` may end beside what feeds it; then another, which nothing ends.
  template <class Ends>
  static void once(detail::random_source& random, std::errc ended, time_limit t, const stop_token& stop, Ends&& ends) {
    const operation op = make();
    std::error_code ec;
    scope s;
    s.spawn([&] { op.run(ec, stop, t); });
    s.spawn([&] {
      for (auto i = random.below(4); i > 0; --i) this_fiber::yield();
      this_fiber::sleep_until(t == no_limit ? time_limit() : t);
      op.feed();
    });
    ends();
    s.join();
    ASSERT_TRUE(!ec || ec == ended) << ec.message();
    s.spawn([&] { op.run(ec, {}, no_limit); });
    op.feed();
    s.join();
    ASSERT_FALSE(ec) << "it goes on: " << ec.message();
  }
};

TEST_P(fed_in_flight, deadline_and_data_together_give_one_result) {
  // Hazard 2.
  storm(10'000, [&](detail::random_source& random) {
    const auto t = std::chrono::steady_clock::now() + std::chrono::microseconds(20 + random.below(60));
    once(random, std::errc::timed_out, t, {}, [] {});
  });
}

TEST_P(fed_in_flight, stop_and_data_together_give_one_result) {
  storm(10'000, [&](detail::random_source& random) {
    stop_source source;
    once(random, std::errc::operation_canceled, no_limit, source.get_token(), [&] {
      for (auto i = random.below(4); i > 0; --i) this_fiber::yield();
      source.request_stop();
    });
  });
}

template <class Has>
std::vector<operation_kind> operations_that(Has&& has) {
  auto some = all_operations();
  std::erase_if(some, [&](const operation_kind& k) { return !has(k); });
  return some;
}

const auto name_of = [](const auto& i) { return i.param.name; };
INSTANTIATE_TEST_SUITE_P(all, in_flight, ::testing::ValuesIn(all_operations()), name_of);
INSTANTIATE_TEST_SUITE_P(all, closed_in_flight, ::testing::ValuesIn(operations_that([](const operation_kind& k) {
                           return k.closed != std::errc{};
                         })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(all, fed_in_flight,
                         ::testing::ValuesIn(operations_that([](const operation_kind& k) { return k.feeds; })),
                         name_of);

}  // namespace
}  // namespace sennit::test

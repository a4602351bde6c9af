// promise, future and shared_future: std's rules one by one, then who meets whom.
#include <array>
#include <future>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/future.hpp>
#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::haunted;
using test::park_probe;
using test::scaled;

class future_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(future_test);

static_assert(!std::is_copy_constructible_v<future<int>> && !std::is_copy_assignable_v<future<int>>);
static_assert(!std::is_copy_constructible_v<promise<int>>);
static_assert(std::is_nothrow_move_constructible_v<future<int>> && std::is_nothrow_move_assignable_v<future<int>>);
static_assert(std::is_nothrow_move_constructible_v<promise<int&>> && std::is_nothrow_move_assignable_v<promise<void>>);
static_assert(std::is_nothrow_copy_constructible_v<shared_future<int>>);
static_assert(std::is_same_v<decltype(std::declval<future<int>&>().get()), int>);
static_assert(std::is_same_v<decltype(std::declval<future<int&>&>().get()), int&>);
static_assert(std::is_same_v<decltype(std::declval<future<void>&>().get()), void>);
static_assert(std::is_same_v<decltype(std::declval<shared_future<int>&>().get()), const int&>);
static_assert(std::is_same_v<decltype(std::declval<shared_future<int&>&>().get()), int&>);
static_assert(std::is_same_v<decltype(std::declval<shared_future<void>&>().get()), void>);
static_assert(std::is_convertible_v<future<int>&&, shared_future<int>>);

// ---- promise and future, one by one ----

TEST_P(future_test, a_value_a_reference_and_nothing_arrive) {
  run([] {
    promise<std::string> p;
    future<std::string> f = p.get_future();
    EXPECT_TRUE(f.valid());
    EXPECT_EQ(f.wait_for(0s), std::future_status::timeout);
    const std::string value = "value";
    p.set_value(value);
    EXPECT_EQ(f.wait_for(0s), std::future_status::ready);
    f.wait();
    EXPECT_TRUE(f.valid());
    EXPECT_EQ(f.get(), "value");
    EXPECT_FALSE(f.valid());

    int target = 1;
    promise<int&> r;
    r.set_value(target);
    EXPECT_EQ(&r.get_future().get(), &target);

    promise<void> v;
    future<void> done = v.get_future();
    v.set_value();
    done.get();
    EXPECT_FALSE(done.valid());
  });
}

TEST_P(future_test, the_result_may_be_move_only_or_have_no_default) {
  struct picky {
    explicit picky(int n) : number(std::make_unique<int>(n)) {}
    std::unique_ptr<int> number;
  };
  run([] {
    promise<picky> p;
    p.set_value(picky(7));
    EXPECT_EQ(*p.get_future().get().number, 7);
    promise<const int> constant;
    constant.set_value(3);
    EXPECT_EQ(constant.get_future().get(), 3);
  });
}

TEST_P(future_test, the_value_dies_with_the_last_who_could_see_it) {
  run([] {
    const auto alive = std::make_shared<int>();
    promise<std::shared_ptr<int>> p;
    shared_future<std::shared_ptr<int>> a = p.get_future();
    shared_future<std::shared_ptr<int>> b = a;
    p.set_value(alive);
    p = {};
    a = {};
    EXPECT_EQ(alive.use_count(), 2);
    EXPECT_EQ(b.get().use_count(), 2);
    b = {};
    EXPECT_EQ(alive.use_count(), 1);
  });
}

TEST_P(future_test, an_exception_arrives) {
  run([] {
    promise<int> p;
    future<int> f = p.get_future();
    p.set_exception(std::make_exception_ptr(std::string("thrown")));
    EXPECT_EQ(f.wait_for(0s), std::future_status::ready);
    EXPECT_THROW(f.get(), std::string);
    EXPECT_FALSE(f.valid()) << "get() was there";
  });
}

TEST_P(future_test, without_state) {
  run([] {
    future<int> f;
    EXPECT_FALSE(f.valid());
    EXPECT_EQ(code_of([&] { f.get(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { f.wait(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { f.wait_for(1ms); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { f.wait_until(std::chrono::steady_clock::time_point{}); }), std::future_errc::no_state);
    EXPECT_FALSE(f.share().valid());
    EXPECT_EQ(code_of([] { shared_future<int&>().get(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([] { shared_future<void>().wait(); }), std::future_errc::no_state);

    promise<int> p;
    promise<int> moved = std::move(p);
    EXPECT_EQ(code_of([&] { p.set_value(1); }),
              std::future_errc::no_state);  // NOLINT(bugprone-use-after-move): its state is the test
    EXPECT_EQ(code_of([&] { p.set_value_at_fiber_exit(1); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { p.set_exception(std::make_exception_ptr(1)); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { static_cast<void>(p.get_future()); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { static_cast<void>(moved.get_future()); }), std::error_code());
  });
}

TEST_P(future_test, each_thing_once) {
  run([] {
    promise<int> p;
    future<int> f = p.get_future();
    EXPECT_EQ(code_of([&] { static_cast<void>(p.get_future()); }), std::future_errc::future_already_retrieved);
    p.set_value(1);
    EXPECT_EQ(code_of([&] { p.set_value(2); }), std::future_errc::promise_already_satisfied);
    EXPECT_EQ(code_of([&] { p.set_value_at_fiber_exit(2); }), std::future_errc::promise_already_satisfied);
    EXPECT_EQ(code_of([&] { p.set_exception(std::make_exception_ptr(2)); }),
              std::future_errc::promise_already_satisfied);
    EXPECT_EQ(code_of([&] { p.set_exception_at_fiber_exit(std::make_exception_ptr(2)); }),
              std::future_errc::promise_already_satisfied);
    EXPECT_EQ(f.get(), 1);
    EXPECT_EQ(code_of([&] { f.get(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { static_cast<void>(p.get_future()); }), std::future_errc::future_already_retrieved);
  });
}

TEST_P(future_test, a_broken_promise_is_told) {
  run([] {
    future<int> f;
    future<void> g;
    shared_future<int&> h;
    {
      promise<int> p;
      promise<void> q;
      promise<int&> r;
      f = p.get_future();
      g = q.get_future();
      h = r.get_future();
      q = promise<void>();
    }
    EXPECT_EQ(code_of([&] { f.get(); }), std::future_errc::broken_promise);
    EXPECT_EQ(code_of([&] { g.get(); }), std::future_errc::broken_promise);
    EXPECT_EQ(code_of([&] { h.get(); }), std::future_errc::broken_promise);
    EXPECT_EQ(code_of([&] { h.get(); }), std::future_errc::broken_promise);
  });
}

TEST_P(future_test, a_promise_that_goes_wakes_who_waits) {
  run([] {
    auto p = std::make_unique<promise<int>>();
    park_probe probe;
    fiber waiter = spawn([&, f = p->get_future()]() mutable {
      probe.here();
      EXPECT_EQ(code_of([&] { f.get(); }), std::future_errc::broken_promise);
    });
    probe.await_parked();
    p.reset();
    waiter.join();
  });
}

TEST_P(future_test, a_value_that_throws_leaves_the_promise_unsatisfied) {
  struct refuses {
    explicit refuses(bool r) : refuse(r) {}
    refuses(const refuses& other) : refuse(other.refuse) {
      if (refuse) throw 1;
    }
    bool refuse;
  };
  run([] {
    promise<refuses> p;
    future<refuses> f = p.get_future();
    const refuses bad(true);
    const refuses good(false);
    EXPECT_THROW(p.set_value(bad), int);
    EXPECT_THROW(p.set_value_at_fiber_exit(bad), int);
    EXPECT_EQ(f.wait_for(0s), std::future_status::timeout);
    p.set_value(good);
    EXPECT_FALSE(f.get().refuse);
  });
}

TEST_P(future_test, moves_and_swaps) {
  run([] {
    promise<int> p;
    promise<int> q;
    future<int> f = p.get_future();
    future<int> g = q.get_future();
    swap(p, q);
    p.set_value(1);
    q.set_value(2);
    EXPECT_EQ(f.wait_for(0s), std::future_status::ready);
    swap(f, g);
    EXPECT_EQ(f.get(), 1);
    future<int> h = std::move(g);
    EXPECT_FALSE(g.valid());  // NOLINT(bugprone-use-after-move): its state is the test
    f = std::move(h);
    EXPECT_EQ(f.get(), 2);

    shared_future<int> s;
    promise<int> r;
    shared_future<int> t = r.get_future();
    swap(s, t);
    EXPECT_TRUE(s.valid());
    EXPECT_FALSE(t.valid());
    t = s;
    s = std::move(t);
    r.set_value(3);
    EXPECT_EQ(s.get(), 3);
  });
}

TEST_P(future_test, deadlines) {
  run([] {
    promise<int> p;
    future<int> f = p.get_future();
    using point = std::chrono::steady_clock::time_point;
    for (const point past : {point::min(), point(), std::chrono::steady_clock::now()}) {
      EXPECT_EQ(f.wait_until(past), std::future_status::timeout);
    }
    EXPECT_EQ(f.wait_for(-1h), std::future_status::timeout);
    EXPECT_EQ(f.wait_for(std::chrono::hours::min()), std::future_status::timeout);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(f.wait_for(2ms), std::future_status::timeout);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 2ms);

    std::array<park_probe, 2> probes;
    std::array<fiber, 2> waiters;
    const shared_future<int> s = f.share();
    waiters[0] = spawn([&] {
      probes[0].here();
      EXPECT_EQ(s.wait_for(std::chrono::hours::max()), std::future_status::ready);
    });
    waiters[1] = spawn([&] {
      probes[1].here();
      EXPECT_EQ(s.wait_until(point::max()), std::future_status::ready);
    });
    for (const park_probe& probe : probes) probe.await_parked();
    p.set_value(1);
    for (fiber& w : waiters) w.join();
    EXPECT_EQ(s.wait_until(point::min()), std::future_status::ready) << "ready counts for more than late";
  });
}

TEST_P(future_test, many_share_a_result) {
  runtime other(opts());
  run([&] {
    promise<std::string> p;
    const shared_future<std::string> result = p.get_future();
    std::vector<park_probe> probes(9);
    std::vector<fiber> fibers;
    std::vector<std::thread> threads;
    std::atomic<const std::string*> at{nullptr};
    for (std::size_t i = 0; i < probes.size(); ++i) {
      const auto body = [&, mine = result, i] {
        probes[i].here();
        const std::string& seen = mine.get();
        EXPECT_EQ(seen, "one for all");
        const std::string* first = nullptr;
        EXPECT_TRUE(at.compare_exchange_strong(first, &seen) || first == &seen);
      };
      if (i % 3 == 0) {
        threads.emplace_back(body);
      } else {
        fibers.push_back(i % 3 == 1 ? spawn(body) : other.spawn(body));
      }
    }
    for (const park_probe& probe : probes) probe.await_parked();
    p.set_value("one for all");
    for (fiber& f : fibers) f.join();
    for (std::thread& t : threads) t.join();
  });
}

TEST_P(future_test, one_of_many_satisfies_a_promise) {
  run([] {
    for (std::size_t i = 0; i < scaled(2'000); ++i) {
      promise<int> p;
      future<int> f = p.get_future();
      std::atomic<int> winner{-1};
      std::vector<fiber> setters;
      for (int k = 0; k < 4; ++k) {
        setters.push_back(spawn([&, k] {
          if (code_of([&] { p.set_value(k); })) return;
          EXPECT_EQ(winner.exchange(k), -1);
        }));
      }
      const int result = f.get();
      for (fiber& s : setters) s.join();
      ASSERT_EQ(winner, result);
    }
  });
}

TEST_P(future_test, an_ambient_stop_ends_the_wait_and_the_future_stays_valid) {
  run([] {
    promise<int> p;
    future<int> f = p.get_future();
    park_probe probe;
    std::error_code code;
    scope s(on_exception::log);
    s.spawn([&] {
      probe.here();
      code = code_of([&] { f.get(); });
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
    EXPECT_TRUE(f.valid());
    p.set_value(8);
    EXPECT_EQ(f.get(), 8);
  });
}

TEST_P(future_test, the_deadline_of_a_scope_ends_the_wait) {
  run([] {
    promise<void> p;
    const future<void> f = p.get_future();
    scope s(std::chrono::steady_clock::now() + 2ms);
    EXPECT_EQ(code_of([&] { f.wait(); }), std::errc::timed_out);
    EXPECT_EQ(code_of([&] { f.wait_for(10h); }), std::errc::timed_out);
  });
}

// Hazard 27: the waiter destroys promise, future and state while the other side is still in set_value().
TEST_P(future_test, who_gets_may_destroy_all_of_it) {
  struct pair {
    promise<int> p;
    future<int> f = p.get_future();
  };
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      haunted<pair> both;
      fiber setter = other.spawn([&, mode = i % 3] {
        if (mode == 0) {
          both->p.set_value(3);
        } else if (mode == 1) {
          both->p.set_exception(std::make_exception_ptr(3));
        } else {
          promise<int>(std::move(both->p)).set_value(3);
        }
      });
      int result = 0;
      try {
        result = both->f.get();
      } catch (int thrown) {
        result = thrown;
      }
      EXPECT_EQ(result, 3);
      both.destroy();
      setter.join();
      ASSERT_TRUE(both.intact()) << "round " << i;
    }
  });
}

// The state's lock is free before anybody who waited runs: the waiter finds the state unlocked, and may free it.
TEST_P(future_test, nobody_wakes_under_the_states_lock) {
  run([&] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      promise<void> p;
      future<void> f = p.get_future();
      detail::future_core& core = detail::future_access::core(f);
      park_probe probe;
      std::thread setter([&] {
        while (!probe.parked()) std::this_thread::yield();
        p.set_value();
      });
      probe.here();
      f.wait();
      // A thief runs us while set_value() is still making others ready; the lock must be ours for the asking.
      const bool unlocked = core.queue().lock.try_lock();
      if (unlocked) core.queue().lock.unlock();
      setter.join();
      ASSERT_TRUE(unlocked) << "round " << i;
    }
  });
}

TEST(future_death_test, null_is_no_exception) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(promise<int>().set_exception(nullptr), "set_exception needs an exception");
}

// ---- who meets whom ----

TEST(future_threads_test, work_without_any_runtime) {
  const std::size_t rounds = scaled(20'000);
  for (std::size_t i = 0; i < rounds; ++i) {
    promise<std::size_t> p;
    std::thread setter([&] { p.set_value(i); });
    EXPECT_EQ(p.get_future().get(), i);
    setter.join();
  }
}

// Every result arrives exactly once, whoever makes it and whoever waits, however the wait is cut short.
TEST_P(future_test, every_result_arrives_once) {
  const std::uint64_t seed = test::seed();
  const std::size_t count = scaled(40'000);
  std::vector<promise<std::size_t>> promises(count);
  std::vector<shared_future<std::size_t>> futures;
  for (auto& p : promises) futures.emplace_back(p.get_future());
  std::vector<std::atomic<int>> set(count);
  const auto produce = [&](unsigned self) {
    detail::random_source random(seed + self);
    for (std::size_t i = 0; i < count; ++i) {
      try {
        if (random.below(8) == 0) {
          promises[i].set_exception(std::make_exception_ptr(i));
        } else {
          promises[i].set_value(i);
        }
        ++set[i];
      } catch (const std::future_error& e) {
        EXPECT_EQ(e.code(), std::future_errc::promise_already_satisfied);
      }
      test::stir(random);
    }
  };
  const auto consume = [&](unsigned self) {
    detail::random_source random(seed + 100 + self);
    for (std::size_t i = 0; i < count; ++i) {
      const shared_future<std::size_t> mine = futures[i];
      if (random.below(4) == 0) {
        while (mine.wait_for(std::chrono::microseconds(random.below(20))) == std::future_status::timeout) {}
      }
      std::size_t result = count;
      try {
        result = mine.get();
      } catch (std::size_t thrown) {
        result = thrown;
      }
      EXPECT_EQ(result, i);
    }
  };
  runtime other(opts());
  run([&] {
    std::vector<fiber> fibers;
    for (unsigned i = 0; i < 2; ++i) {
      fibers.push_back(spawn(produce, i));
      fibers.push_back(other.spawn(produce, 2 + i));
      fibers.push_back(spawn(consume, i));
      fibers.push_back(other.spawn(consume, 2 + i));
    }
    std::thread producer(produce, 4);
    std::thread consumer(consume, 4);
    for (fiber& f : fibers) f.join();
    producer.join();
    consumer.join();
  });
  EXPECT_TRUE(std::all_of(set.begin(), set.end(), [](const auto& n) { return n == 1; }));
}

}  // namespace
}  // namespace sennit

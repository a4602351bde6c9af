#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <sennit/condition_variable_any.hpp>
#include <sennit/fiber.hpp>
#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>
#include <sennit/shared_mutex.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::park_probe;
using test::scaled;

class condition_variable_any_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(condition_variable_any_test);

TEST_P(condition_variable_any_test, takes_any_lock) {
  run([] {
    static constinit condition_variable_any cv;
    const auto with = [](auto&& lock) {
      EXPECT_EQ(cv.wait_for(lock, 1ms), std::cv_status::timeout);
      EXPECT_FALSE(cv.wait_for(lock, -1h, [] { return false; }));
      EXPECT_TRUE(cv.wait_until(lock, steady_clock::now(), [] { return true; }));
    };
    mutex m;
    with(std::unique_lock(m));
    m.lock();
    with(m);
    m.unlock();
    shared_mutex s;
    with(std::shared_lock(s));
    std::mutex of_std;     // released while it waits
    const pin_guard here;  // and locked again by the same thread
    with(std::unique_lock(of_std));
  });
}

TEST_P(condition_variable_any_test, notify_one_wakes_the_one_that_waits_longest) {
  run([] {
    condition_variable_any cv;
    mutex m;
    std::vector<int> order;
    std::vector<fiber> waiters;
    for (int i = 0; i < 3; ++i) {
      park_probe probe;
      waiters.push_back(spawn([&, i, p = &probe] {
        std::unique_lock lock(m);
        p->here();
        cv.wait(lock);
        order.push_back(i);
      }));
      probe.await_parked();
    }
    for (std::size_t i = 0; i < 3; ++i) {
      cv.notify_one();
      waiters[i].join();
    }
    EXPECT_EQ(order, (std::vector{0, 1, 2}));
  });
}

// A baton goes round among fibers of two runtimes and threads, each notify for exactly one: none may be lost, with
// waits that give up all the time in between.
TEST_P(condition_variable_any_test, no_notify_is_lost) {
  runtime other(opts());
  run([&] {
    condition_variable_any cv;
    shared_timed_mutex m;
    std::size_t items = 0;
    std::size_t taken = 0;
    const std::size_t total = scaled(50'000);
    const std::uint64_t seed = test::seed();
    const auto consumer = [&](unsigned me) {
      detail::random_source random(seed + me);
      for (;;) {
        std::unique_lock lock(m);
        while (items == 0 && taken < total) {
          if (random.below(4) == 0) {
            cv.wait_for(lock, std::chrono::microseconds(random.below(20)));
          } else {
            cv.wait(lock);
          }
        }
        if (items == 0) break;
        --items;
        if (++taken == total) cv.notify_all();
      }
    };
    std::vector<fiber> consumers;
    for (unsigned i = 0; i < 3; ++i) consumers.push_back(spawn(consumer, i));
    for (unsigned i = 3; i < 5; ++i) consumers.push_back(other.spawn(consumer, i));
    std::thread thread(consumer, 5);
    for (std::size_t i = 0; i < total; ++i) {
      {
        const std::lock_guard lock(m);
        ++items;
      }
      cv.notify_one();
      if (i % 8 == 0) this_fiber::yield();
    }
    for (fiber& f : consumers) f.join();
    thread.join();
    EXPECT_EQ(taken, total);
  });
}

TEST_P(condition_variable_any_test, an_ambient_stop_throws_with_the_lock_held_again) {
  run([] {
    condition_variable_any cv;
    mutex m;
    park_probe probe;
    std::error_code code;
    scope s(on_exception::log);
    s.spawn([&] {
      std::unique_lock lock(m);
      probe.here();
      try {
        cv.wait(lock);
      } catch (const std::system_error& e) {
        code = e.code();
      }
      EXPECT_TRUE(lock.owns_lock());
      spawn([&] { EXPECT_FALSE(m.try_lock()); }).join();
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
  });
}

}  // namespace
}  // namespace sennit

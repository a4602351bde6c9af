#include <deque>
#include <thread>
#include <vector>

#include <sennit/condition_variable.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::park_probe;
using test::scaled;
using test::until;

class condition_variable_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(condition_variable_test);

constinit condition_variable constant_initialised;

TEST_P(condition_variable_test, a_timeout_returns_with_the_lock_held) {
  run([] {
    mutex m;
    condition_variable& cv = constant_initialised;
    std::unique_lock lock(m);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(cv.wait_for(lock, 2ms), std::cv_status::timeout);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 2ms);
    EXPECT_TRUE(lock.owns_lock());
    spawn([&] { EXPECT_FALSE(m.try_lock()); }).join();
    EXPECT_FALSE(cv.wait_for(lock, 1ms, [] { return false; }));
    EXPECT_TRUE(cv.wait_until(lock, start, [] { return true; }));
  });
}

TEST_P(condition_variable_test, the_wait_releases_the_mutex) {
  run([] {
    mutex m;
    condition_variable cv;
    park_probe probe;
    bool told = false;
    fiber waiter = spawn([&] {
      std::unique_lock lock(m);
      probe.here();
      cv.wait(lock, [&] { return told; });
      EXPECT_TRUE(told);
    });
    probe.await_parked();
    {
      std::lock_guard lock(m);
      told = true;
      cv.notify_one();
    }
    waiter.join();
  });
}

TEST_P(condition_variable_test, notify_one_wakes_the_one_that_waits_longest) {
  run([] {
    mutex m;
    condition_variable cv;
    std::vector<park_probe> probes(4);
    std::vector<std::size_t> order;
    std::vector<fiber> waiters;
    for (std::size_t i = 0; i < probes.size(); ++i) {
      waiters.push_back(spawn([&, i] {
        std::unique_lock lock(m);
        probes[i].here();
        cv.wait(lock);
        order.push_back(i);
      }));
      probes[i].await_parked();
    }
    for (std::size_t i = 0; i < probes.size(); ++i) {
      cv.notify_one();
      waiters[i].join();  // this one, and nobody else
      for (std::size_t k = i + 1; k < probes.size(); ++k) EXPECT_TRUE(probes[k].parked());
    }
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3}));
  });
}

TEST_P(condition_variable_test, notify_all_wakes_fibers_and_threads) {
  mutex m;
  condition_variable cv;
  bool told = false;
  std::vector<park_probe> probes(12);
  std::vector<std::thread> threads;
  int woken = 0;
  run([&] {
    scope s;
    for (std::size_t i = 0; i < probes.size(); ++i) {
      auto body = [&, i] {
        std::unique_lock lock(m);
        probes[i].here();
        cv.wait(lock, [&] { return told; });
        ++woken;
      };
      if (i % 4 == 0) {
        threads.emplace_back(body);
      } else {
        s.spawn(body);
      }
    }
    for (const park_probe& p : probes) p.await_parked();
    {
      std::lock_guard lock(m);
      told = true;
    }
    cv.notify_all();
    s.join();
  });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(woken, 12);
}

// A ball between two runtimes: a notify that is lost once makes both wait for ever.
TEST_P(condition_variable_test, no_notify_is_lost) {
  runtime other(opts());
  mutex m;
  condition_variable cv;
  const std::size_t rounds = scaled(200'000);
  std::size_t ball = 0;
  const auto play = [&](std::size_t side) {
    for (;;) {
      std::unique_lock lock(m);
      cv.wait(lock, [&] { return ball % 2 == side || ball >= rounds; });
      if (ball >= rounds) return;
      ++ball;
      lock.unlock();
      cv.notify_one();
    }
  };
  run([&] {
    fiber peer = other.spawn([&] {
      play(1);
      cv.notify_one();
    });
    play(0);
    cv.notify_one();
    peer.join();
  });
  EXPECT_EQ(ball, rounds);
}

TEST_P(condition_variable_test, bounded_buffer_of_threads_and_fibers) {
  const std::uint64_t seed = test::seed();
  const std::size_t each = scaled(100'000);
  constexpr std::size_t producers = 3;
  mutex m;
  condition_variable not_full;
  condition_variable not_empty;
  std::deque<std::size_t> buffer;
  std::vector<int> seen(producers * each, 0);
  std::size_t taken = 0;
  const auto produce = [&](std::size_t self) {
    detail::random_source random(seed + self);
    for (std::size_t i = 0; i < each; ++i) {
      std::unique_lock lock(m);
      not_full.wait(lock, [&] { return buffer.size() < 4; });
      buffer.push_back(self * each + i);
      lock.unlock();
      not_empty.notify_one();
      if (random.below(32) == 0) this_fiber::yield();
    }
  };
  const auto consume = [&] {
    for (;;) {
      std::unique_lock lock(m);
      // With a deadline: a notify that met a timeout at the same moment must not vanish with it.
      while (!not_empty.wait_for(lock, 50us, [&] { return !buffer.empty() || taken == seen.size(); })) {}
      if (buffer.empty()) return;
      ++seen[buffer.front()];
      buffer.pop_front();
      if (++taken == seen.size()) not_empty.notify_all();
      lock.unlock();
      not_full.notify_one();
    }
  };
  run([&] {
    scope s;
    s.spawn(produce, std::size_t{0});
    s.spawn(produce, std::size_t{1});
    std::thread producer(produce, std::size_t{2});
    std::thread consumer(consume);
    s.spawn(consume);
    s.spawn(consume);
    s.join();
    producer.join();
    consumer.join();
  });
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
}

TEST_P(condition_variable_test, an_ambient_stop_throws_with_the_lock_held_again) {
  run([] {
    mutex m;
    condition_variable cv;
    park_probe probe;
    bool canceled = false;
    scope s;
    s.spawn([&] {
      std::unique_lock lock(m);
      probe.here();
      try {
        cv.wait(lock);
      } catch (const std::system_error& e) {
        canceled = e.code() == std::errc::operation_canceled;
      }
      EXPECT_TRUE(lock.owns_lock());
      lock.unlock();  // CHECKs that this fiber owns it
    });
    probe.await_parked();
    m.lock();  // the relock has to wait, though the fiber is stopped
    s.request_stop();
    until([&] { return probe.parked(); });
    EXPECT_FALSE(canceled);
    m.unlock();
    s.join();
    EXPECT_TRUE(canceled);
  });
}

TEST(condition_variable_death_test, wait_without_the_lock) {
  EXPECT_DEATH(
      {
        mutex m;
        condition_variable cv;
        std::unique_lock lock(m, std::defer_lock);
        cv.wait(lock);
      },
      "needs a locked unique_lock");
}

}  // namespace
}  // namespace sennit

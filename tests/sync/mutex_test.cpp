#include <mutex>
#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;
using test::until;

class mutex_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(mutex_test);

constinit mutex constant_initialised;

TEST_P(mutex_test, works_with_the_guards_of_std) {
  run([] {
    mutex second;
    {
      std::scoped_lock both(constant_initialised, second);
      EXPECT_FALSE(second.try_lock());
    }
    std::unique_lock lock(second, std::try_to_lock);
    EXPECT_TRUE(lock.owns_lock());
    spawn([&] { EXPECT_FALSE(second.try_lock()); }).join();
    lock.unlock();
    spawn([&] { EXPECT_TRUE(std::unique_lock(second, std::try_to_lock).owns_lock()); }).join();
  });
}

// Fibers of two runtimes and plain threads; the counter is plain, so that TSan sees a lock that does not order.
TEST_P(mutex_test, mutual_exclusion) {
  const std::uint64_t seed = test::seed();
  const std::size_t each = scaled(300'000);
  mutex m;
  std::size_t counter = 0;
  bool inside = false;
  const auto body = [&](std::uint64_t mine) {
    detail::random_source random(seed + mine);
    for (std::size_t i = 0; i < each; ++i) {
      {
        std::lock_guard lock(m);
        ASSERT_FALSE(std::exchange(inside, true));
        ++counter;
        if (random.below(64) == 0) this_fiber::yield();  // the others find it locked
        inside = false;
      }
      if (random.below(16) == 0) this_fiber::yield();
    }
  };
  runtime other(opts());
  run([&] {
    std::vector<fiber> fibers;
    for (std::uint64_t i = 0; i < 4; ++i) fibers.push_back(spawn(body, i));
    for (std::uint64_t i = 4; i < 8; ++i) fibers.push_back(other.spawn(body, i));
    std::thread thread(body, 8);
    for (fiber& f : fibers) f.join();
    thread.join();
  });
  EXPECT_EQ(counter, 9 * each);
  std::cout << counter << " locks\n";
}

// A hog takes the mutex back at once, each time that it has given it up: the waiter is woken in vain three times, then
// it is handed the mutex.
TEST_P(mutex_test, a_waiter_is_passed_over_at_most_three_times) {
  run([] {
    mutex m;
    park_probe waiter;
    std::atomic<bool> got{false};
    m.lock();
    fiber f = spawn([&] {
      waiter.here();
      m.lock();
      got = true;
      m.unlock();
    });
    int given_up = 0;
    for (; !got && given_up < 50; ++given_up) {
      until([&] { return got || waiter.parked(); });
      m.unlock();
      m.lock();
    }
    m.unlock();
    f.join();
    EXPECT_LE(given_up, 4);
  });
}

TEST_P(mutex_test, who_was_passed_over_stays_first) {
  run([] {
    mutex m;
    park_probe first;
    park_probe second;
    std::vector<int> order;
    m.lock();
    const auto body = [&](park_probe& probe, int number) {
      probe.here();
      std::lock_guard lock(m);
      order.push_back(number);
    };
    fiber a = spawn([&] { body(first, 1); });
    first.await_parked();
    fiber b = spawn([&] { body(second, 2); });
    second.await_parked();
    m.unlock();
    m.lock();  // before the first one, unless that is on another worker
    until([&] { return !order.empty() || first.parked(); });
    m.unlock();
    a.join();
    b.join();
    EXPECT_EQ(order, (std::vector{1, 2}));
  });
}

// Whoever finds to be the last user destroys the mutex, though another may still be inside its unlock().
TEST_P(mutex_test, the_last_user_destroys_it_right_after_its_unlock) {
  struct shared {
    mutex m;
    int users = 3;
  };
  const auto leave = [](haunted<shared>* room) {
    shared& s = **room;
    s.m.lock();
    const bool last = --s.users == 0;
    s.m.unlock();
    if (last) room->destroy();
  };
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(100'000); ++i) {
      haunted<shared> s;
      fiber a = other.spawn(leave, &s);
      fiber b = spawn(leave, &s);
      leave(&s);
      a.join();
      b.join();
      ASSERT_TRUE(s.intact()) << "round " << i;
    }
  });
}

// Hazard 29: an ambient stop does not reach lock(), neither one that waits already nor one that begins later.
TEST_P(mutex_test, a_stop_does_not_end_the_wait_for_a_lock) {
  run([] {
    mutex m;
    park_probe waiting;
    bool locked = false;
    std::unique_lock lock(m);
    scope s;
    s.spawn([&] {
      waiting.here();
      std::lock_guard guard(m);
      locked = true;
      EXPECT_TRUE(this_fiber::stop_requested());
    });
    waiting.await_parked();
    s.request_stop();
    for (int i = 0; i < 100; ++i) this_fiber::yield();
    EXPECT_TRUE(waiting.parked());
    EXPECT_FALSE(locked);
    lock.unlock();
    s.join();
    EXPECT_TRUE(locked);
  });
}

TEST_P(mutex_test, stop_storm_over_lock_guards_in_destructors) {
  const std::uint64_t seed = test::seed();
  run([&] {
    detail::random_source random(seed);
    mutex m;
    std::size_t entered = 0;
    std::atomic<std::size_t> left{0};
    struct locks_in_destructor {
      mutex& m;
      std::size_t& entered;
      std::atomic<std::size_t>& left;
      ~locks_in_destructor() {
        std::lock_guard guard(m);
        this_fiber::yield();
        ++entered;
        ++left;
      }
    };
    std::size_t started = 0;
    for (std::size_t round = 0; round < scaled(2'000); ++round) {
      scope s;
      for (int i = 0; i < 8; ++i) {
        ++started;
        s.spawn([&] {
          locks_in_destructor guard{m, entered, left};
          event never_set;
          never_set.wait();  // throws
        });
      }
      for (std::uint32_t i = random.below(20); i > 0; --i) this_fiber::yield();
      s.request_stop();
      s.join();
    }
    EXPECT_EQ(entered, started);
    EXPECT_EQ(left, started);
  });
}

// What must not be done, as the thread-safety analysis of clang would say too.
void unlock_what_is_free() SENNIT_NO_ANALYSIS {
  mutex m;
  m.unlock();
}
void unlock_in_another_fiber() {
  mutex m;
  std::lock_guard lock(m);
  spawn([&]() SENNIT_NO_ANALYSIS { m.unlock(); }).join();
}
void lock_twice() SENNIT_NO_ANALYSIS {
  mutex m;
  m.lock();
  m.lock();
}
void destroy_while_locked() SENNIT_NO_ANALYSIS {
  mutex m;
  m.lock();
}

TEST(mutex_death_test, misuse_on_a_thread) {
  EXPECT_DEATH(unlock_what_is_free(), "only the fiber or thread that locked a mutex may unlock it");
  EXPECT_DEATH(lock_twice(), "holds the mutex already");
  EXPECT_DEATH(destroy_while_locked(), "destroyed while locked: unlock it first");
}

TEST(mutex_death_test, misuse_in_a_fiber) {
  EXPECT_DEATH(run(unlock_in_another_fiber), "only the fiber or thread that locked a mutex may unlock it");
  EXPECT_DEATH(run(lock_twice), "holds the mutex already");
}

}  // namespace
}  // namespace sennit

// What all mutexes have in common, as one suite over their types; then what is special to each.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/mutex.hpp>
#include <sennit/recursive_mutex.hpp>
#include <sennit/scope.hpp>
#include <sennit/shared_mutex.hpp>
#include <sennit/timed_mutex.hpp>

#include "support/runtimes.hpp"

#if defined(__clang__)  // EXPECT_TRUE(m.try_lock()) hides the branch from the analysis
#pragma clang diagnostic ignored "-Wthread-safety-analysis"
#endif

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::park_probe;
using test::scaled;
using test::until;

template <class M>
concept timed = requires(M& m) { m.try_lock_for(1ms); };
template <class M>
concept shared = requires(M& m) { m.lock_shared(); };
template <class M>
inline constexpr bool recursive = std::is_same_v<M, recursive_mutex> || std::is_same_v<M, recursive_timed_mutex>;

template <class M>
class locks : public ::testing::Test {
  static_assert(!std::is_copy_constructible_v<M> && !std::is_move_constructible_v<M>);
  static_assert(noexcept(std::declval<M&>().lock()), "a lock never throws on a stop");
};
using mutexes =
    ::testing::Types<mutex, timed_mutex, recursive_mutex, recursive_timed_mutex, shared_mutex, shared_timed_mutex>;
TYPED_TEST_SUITE(locks, mutexes);

/// The body with one, two and four workers, and beside another runtime if it asks for one.
template <class F>
void with_workers(F&& body) {
  for (const unsigned workers : {1U, 2U, 4U}) {
    SCOPED_TRACE(workers);
    if constexpr (std::is_invocable_v<F, runtime&>) {
      runtime other({.workers = 1, .stall_threshold = {}});
      sennit::run({.workers = workers, .stall_threshold = {}}, [&] { body(other); });
    } else {
      sennit::run({.workers = workers, .stall_threshold = {}}, body);
    }
  }
}

TYPED_TEST(locks, works_with_the_guards_of_std) {
  static constinit TypeParam constant_initialised;
  with_workers([] {
    TypeParam second;
    {
      std::scoped_lock both(constant_initialised, second);
      spawn([&] { EXPECT_FALSE(second.try_lock()); }).join();
    }
    std::unique_lock lock(second, std::try_to_lock);
    EXPECT_TRUE(lock.owns_lock());
    sennit::blocking([&] { EXPECT_FALSE(second.try_lock()); });
    lock.unlock();
    spawn([&] { EXPECT_TRUE(std::unique_lock(second, std::try_to_lock).owns_lock()); }).join();
  });
}

// Fibers of two runtimes and a plain thread; the counter is plain, so that TSan sees a lock that does not order.
TYPED_TEST(locks, exclude_each_other) {
  with_workers([](runtime& other) {
    const std::size_t each = scaled(50'000);
    TypeParam m;
    std::size_t counter = 0;
    const auto body = [&](unsigned mine) {
      for (std::size_t i = 0; i < each; ++i) {
        const std::lock_guard lock(m);
        const std::size_t before = counter;
        if ((i + mine) % 32 == 0) this_fiber::yield();
        counter = before + 1;
      }
    };
    std::vector<fiber> fibers;
    for (unsigned i = 0; i < 3; ++i) fibers.push_back(spawn(body, i));
    for (unsigned i = 3; i < 5; ++i) fibers.push_back(other.spawn(body, i));
    std::thread thread(body, 5);
    for (fiber& f : fibers) f.join();
    thread.join();
    EXPECT_EQ(counter, 6 * each);
  });
}

TYPED_TEST(locks, a_stop_does_not_end_the_wait) {
  with_workers([] {
    TypeParam m;
    park_probe probe;
    bool got = false;
    std::unique_lock held(m);
    scope s(on_exception::log);
    s.spawn([&] {
      probe.here();
      const std::lock_guard lock(m);
      got = true;
    });
    probe.await_parked();
    s.request_stop();
    EXPECT_TRUE(probe.parked());
    held.unlock();
    s.join();
    EXPECT_TRUE(got);
  });
}

// How often a waiter is passed over (docs/sync.md, "Fairness"): bargers take the mutex again and again, in the queue's
// order or past it. Each holder, whoever it is, first sees that all who came before the bargers are parked again, and
// counts itself under the mutex: so what is counted is ordered, however the machine is loaded.
TYPED_TEST(locks, whoever_waits_is_passed_over_a_bounded_number_of_times) {
  constexpr std::size_t patience = shared<TypeParam> ? 0 : 3;
  constexpr std::size_t hopeless = 200;  // the bargers give up, lest the test hang
  for (const bool thread_waits : {false, true}) {
    for (const std::size_t ahead : {0U, 2U}) {
      SCOPED_TRACE(testing::Message() << ahead << " ahead of " << (thread_waits ? "a thread" : "a fiber"));
      with_workers([&](runtime& other) {
        struct waiting {
          park_probe probe;
          bool served = false;  // under the mutex
        };
        TypeParam m;
        std::vector<waiting> queue(ahead + 1);
        std::size_t acquired = 0;  // by others, before the last of the queue; under the mutex
        const auto victim_served = [&] { return queue.back().served; };
        const auto hold = [&] {
          until([&] {
            return std::all_of(queue.begin(), queue.end(), [](waiting& w) { return w.served || w.probe.parked(); });
          });
        };
        const auto wait = [&](std::size_t i) {
          queue[i].probe.here();
          m.lock();
          queue[i].served = true;
          if (i < ahead) ++acquired;
          hold();
          m.unlock();
        };
        const auto barge = [&] {
          for (bool over = false; !over;) {
            m.lock();
            over = victim_served() || acquired >= hopeless;
            if (!over) ++acquired;
            hold();
            m.unlock();
          }
        };
        m.lock();
        std::vector<fiber> fibers;
        for (std::size_t i = 0; i < ahead; ++i) {
          fibers.push_back(spawn(wait, i));
          queue[i].probe.await_parked();
        }
        std::thread thread;
        if (thread_waits) {
          thread = std::thread(wait, ahead);
        } else {
          fibers.push_back(spawn(wait, ahead));
        }
        queue.back().probe.await_parked();
        for (int i = 0; i < 3; ++i) fibers.push_back(spawn(barge));
        fibers.push_back(other.spawn(barge));
        std::thread barging_thread(barge);
        m.unlock();
        barge();
        for (fiber& f : fibers) f.join();
        if (thread.joinable()) thread.join();
        barging_thread.join();
        // Each that is ahead gets it once, and each of the queue is passed over at most `patience` times.
        EXPECT_LE(acquired, (ahead + 1) * (patience + 1) - 1);
      });
    }
  }
}

// The bound is met: with one worker nobody who was woken runs before the one that woke it has taken the mutex back.
TYPED_TEST(locks, bargers_use_what_the_bound_leaves) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [] {
    TypeParam m;
    park_probe probe;
    bool got = false;
    m.lock();
    fiber waiter = spawn([&] {
      probe.here();
      const std::lock_guard lock(m);
      got = true;
    });
    std::size_t passed_over = 0;
    for (;;) {
      probe.await_parked();
      m.unlock();
      m.lock();
      if (got) break;
      ++passed_over;
    }
    m.unlock();
    waiter.join();
    EXPECT_EQ(passed_over, shared<TypeParam> ? 0U : 3U);
  });
}

// Readers that keep coming do not get in before a writer that waits, nor writers before a reader.
TYPED_TEST(locks, later_readers_and_writers_do_not_overtake) {
  if constexpr (shared<TypeParam>) {
    for (const bool reader_waits : {false, true}) {
      with_workers([&](runtime& other) {
        TypeParam m;
        park_probe probe;
        std::atomic<bool> got{false};
        std::atomic<unsigned> early{0};
        reader_waits ? m.lock() : m.lock_shared();
        fiber waiter = spawn([&] {
          probe.here();
          reader_waits ? m.lock_shared() : m.lock();
          got = true;
          reader_waits ? m.unlock_shared() : m.unlock();
        });
        probe.await_parked();
        const auto barge = [&] {
          for (bool over = false; !over;) {
            reader_waits ? m.lock() : m.lock_shared();
            over = got;
            if (!over && ++early > 100) over = true;
            reader_waits ? m.unlock() : m.unlock_shared();
          }
        };
        std::vector<fiber> bargers;
        for (int i = 0; i < 3; ++i) bargers.push_back(spawn(barge));
        bargers.push_back(other.spawn(barge));
        std::thread barging_thread(barge);
        reader_waits ? m.unlock() : m.unlock_shared();
        barge();
        for (fiber& f : bargers) f.join();
        barging_thread.join();
        waiter.join();
        EXPECT_EQ(early, 0U);
      });
    }
  }
}

TYPED_TEST(locks, deadlines) {
  if constexpr (timed<TypeParam>) {
    with_workers([] {
      TypeParam m;
      m.lock();
      spawn([&] {
        const auto start = steady_clock::now();
        EXPECT_FALSE(m.try_lock_for(5ms));
        EXPECT_GE(steady_clock::now() - start, 5ms);
        EXPECT_FALSE(m.try_lock_until(start)) << "in the past";
        EXPECT_FALSE(m.try_lock_for(-1h));
      }).join();
      sennit::blocking([&] { EXPECT_FALSE(m.try_lock_for(1ms)); });
      park_probe probe;
      fiber waiter = spawn([&] {
        probe.here();
        ASSERT_TRUE(m.try_lock_for(std::chrono::hours::max()));
        m.unlock();
      });
      probe.await_parked();
      m.unlock();
      waiter.join();
      EXPECT_TRUE(m.try_lock_until(steady_clock::time_point::min())) << "free: a deadline in the past tries";
      m.unlock();
    });
  } else {
    EXPECT_FALSE((std::is_same_v<TypeParam, timed_mutex>));
  }
}

// Locks, and locks that give up at about the time when they would get it: nobody is forgotten, nothing is doubled.
TYPED_TEST(locks, deadlines_beside_unlocks) {
  if constexpr (timed<TypeParam>) {
    with_workers([] {
      TypeParam m;
      std::size_t counter = 0;
      std::atomic<std::size_t> got{0};
      const std::uint64_t seed = test::seed();
      scope all;
      for (unsigned f = 0; f < 8; ++f) {
        all.spawn([&, f] {
          detail::random_source random(seed + f);
          for (std::size_t i = 0; i < scaled(20'000); ++i) {
            if (f < 2) {
              m.lock();
            } else if (!m.try_lock_for(std::chrono::microseconds(random.below(30)))) {
              continue;
            }
            ++counter;
            ++got;
            if (random.below(4) == 0) this_fiber::yield();
            m.unlock();
          }
        });
      }
      all.join();
      EXPECT_EQ(counter, got);
      EXPECT_TRUE(m.try_lock()) << "free in the end";
      m.unlock();
    });
  }
}

TYPED_TEST(locks, recursion) {
  if constexpr (recursive<TypeParam>) {
    with_workers([] {
      TypeParam m;
      m.lock();
      m.lock();
      EXPECT_TRUE(m.try_lock());
      if constexpr (timed<TypeParam>) {
        EXPECT_TRUE(m.try_lock_for(0s));
        m.unlock();
      }
      const auto others_get_it = [&] {
        bool got = false;
        spawn([&] {
          got = m.try_lock();
          if (got) m.unlock();
        }).join();
        return got;
      };
      m.unlock();
      m.unlock();
      EXPECT_FALSE(others_get_it());
      this_fiber::yield();
      m.unlock();
      EXPECT_TRUE(others_get_it());
    });
  }
}

TYPED_TEST(locks, readers) {
  if constexpr (shared<TypeParam>) {
    with_workers([] {
      TypeParam m;
      std::shared_lock first(m);
      spawn([&] {
        const std::shared_lock second(m);
        EXPECT_FALSE(m.try_lock());
      }).join();
      // A writer that waits holds up the readers behind it, so that it is not starved.
      park_probe writer;
      park_probe late;
      std::vector<int> order;
      fiber w = spawn([&] {
        writer.here();
        const std::lock_guard lock(m);
        order.push_back(1);
      });
      writer.await_parked();
      EXPECT_FALSE(m.try_lock_shared());
      fiber r = spawn([&] {
        late.here();
        const std::shared_lock lock(m);
        order.push_back(2);
      });
      late.await_parked();
      first.unlock();
      w.join();
      r.join();
      EXPECT_EQ(order, (std::vector{1, 2}));
      EXPECT_TRUE(m.try_lock());
      m.unlock();
    });
  }
}

TYPED_TEST(locks, a_writer_that_gives_up_lets_the_readers_behind_it_in) {
  if constexpr (shared<TypeParam> && timed<TypeParam>) {
    with_workers([] {
      TypeParam m;
      m.lock_shared();
      park_probe writer;
      fiber w = spawn([&] {
        writer.here();
        EXPECT_FALSE(m.try_lock_for(20ms));
      });
      writer.await_parked();
      fiber r = spawn([&] { const std::shared_lock lock(m); });
      r.join();  // while we still hold it
      w.join();
      EXPECT_TRUE(m.try_lock_shared_for(0s));
      m.unlock_shared();
      m.unlock_shared();
    });
  }
}

TYPED_TEST(locks, readers_and_writers_see_whole_states) {
  if constexpr (shared<TypeParam>) {
    with_workers([] {
      TypeParam m;
      std::uint64_t a = 0;
      std::uint64_t b = 0;
      scope all;
      for (unsigned f = 0; f < 3; ++f) {
        all.spawn([&] {
          for (std::size_t i = 0; i < scaled(20'000); ++i) {
            const std::lock_guard lock(m);
            ++a;
            if (i % 16 == 0) this_fiber::yield();
            ++b;
          }
        });
      }
      for (unsigned f = 0; f < 4; ++f) {
        all.spawn([&] {
          for (std::size_t i = 0; i < scaled(20'000); ++i) {
            const std::shared_lock lock(m);
            const std::uint64_t seen = a;
            if (i % 8 == 0) this_fiber::yield();
            ASSERT_EQ(seen, b);
          }
        });
      }
      all.join();
      EXPECT_EQ(a, 3 * scaled(20'000));
    });
  }
}

template <class M>
class locks_death_test : public ::testing::Test {
 protected:
  locks_death_test() { GTEST_FLAG_SET(death_test_style, "fast"); }
};
TYPED_TEST_SUITE(locks_death_test, mutexes);

TYPED_TEST(locks_death_test, misuse_is_told) {
  EXPECT_DEATH({ TypeParam().unlock(); }, "only the fiber or thread that locked");
  EXPECT_DEATH(
      {
        sennit::run([] {
          TypeParam m;
          m.lock();
          spawn([&] { m.unlock(); }).join();
        });
      },
      "only the fiber or thread that locked");
  EXPECT_DEATH(
      {
        TypeParam m;
        m.lock();
      },
      "destroyed while locked");
  if constexpr (!recursive<TypeParam>) {
    EXPECT_DEATH(
        {
          TypeParam m;
          m.lock();
          m.lock();
        },
        "already: lock it once");
  }
  if constexpr (shared<TypeParam>) {
    EXPECT_DEATH(TypeParam().unlock_shared(), "without lock_shared");
  }
}

}  // namespace
}  // namespace sennit

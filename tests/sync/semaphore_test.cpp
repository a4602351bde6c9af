#include <thread>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>
#include <sennit/semaphore.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;

class semaphore_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(semaphore_test);

constinit counting_semaphore<> constant_initialised(2);
static_assert(binary_semaphore::max() == 1 && counting_semaphore<7>::max() == 7);

TEST_P(semaphore_test, gives_out_its_permits) {
  run([] {
    constant_initialised.acquire();
    EXPECT_TRUE(constant_initialised.try_acquire());
    EXPECT_FALSE(constant_initialised.try_acquire());
    EXPECT_FALSE(constant_initialised.try_acquire_for(2ms));
    EXPECT_FALSE(constant_initialised.try_acquire_for(-1h));
    constant_initialised.release(2);
    EXPECT_TRUE(constant_initialised.try_acquire_for(0s));
    EXPECT_TRUE(constant_initialised.try_acquire_until(std::chrono::steady_clock::time_point::min()));
    constant_initialised.release();
    constant_initialised.release();
  });
}

TEST_P(semaphore_test, serves_who_came_first) {
  run([] {
    counting_semaphore<> s(0);
    std::vector<int> order;
    std::vector<fiber> waiters;
    for (int i = 0; i < 5; ++i) {
      park_probe probe;
      waiters.push_back(spawn([&, i, pinned = &probe] {
        pinned->here();
        s.acquire();
        order.push_back(i);  // one at a time: the next permit comes after this
        s.release();
      }));
      probe.await_parked();
    }
    EXPECT_FALSE(s.try_acquire());
    s.release();
    for (fiber& f : waiters) f.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

TEST_P(semaphore_test, one_release_wakes_as_many_as_it_has_permits_for) {
  run([] {
    counting_semaphore<> s(0);
    std::vector<park_probe> probes(5);
    std::vector<fiber> waiters;
    for (park_probe& p : probes) {
      waiters.push_back(spawn([&] {
        p.here();
        s.acquire();
      }));
      p.await_parked();
    }
    s.release(3);
    for (int i = 0; i < 3; ++i) waiters[static_cast<std::size_t>(i)].join();
    EXPECT_TRUE(probes[3].parked());
    EXPECT_TRUE(probes[4].parked());
    s.release(4);
    waiters[3].join();
    waiters[4].join();
    EXPECT_TRUE(s.try_acquire());
    EXPECT_TRUE(s.try_acquire());
    EXPECT_FALSE(s.try_acquire());
  });
}

// Permits are neither lost nor doubled, whoever gives up: fibers of two runtimes and plain threads.
TEST_P(semaphore_test, never_more_inside_than_permits) {
  const std::uint64_t seed = test::seed();
  constexpr int permits = 3;
  counting_semaphore<permits> s(permits);
  std::atomic<int> inside{0};
  std::atomic<bool> too_many{false};
  const auto body = [&](unsigned mine) {
    detail::random_source random(seed + mine);
    for (std::size_t i = 0; i < scaled(100'000); ++i) {
      if (random.below(2) == 0) {
        s.acquire();
      } else if (!s.try_acquire_for(std::chrono::microseconds(random.below(20)))) {
        continue;
      }
      if (++inside > permits) too_many = true;
      if (random.below(8) == 0) this_fiber::yield();
      --inside;
      s.release();
    }
  };
  runtime other(opts());
  run([&] {
    std::vector<fiber> fibers;
    for (unsigned i = 0; i < 4; ++i) fibers.push_back(spawn(body, i));
    for (unsigned i = 4; i < 7; ++i) fibers.push_back(other.spawn(body, i));
    std::thread thread(body, 7);
    for (fiber& f : fibers) f.join();
    thread.join();
  });
  EXPECT_FALSE(too_many);
  for (int i = 0; i < permits; ++i) EXPECT_TRUE(s.try_acquire());
  EXPECT_FALSE(s.try_acquire());
}

TEST_P(semaphore_test, an_ambient_stop_ends_the_wait) {
  run([] {
    counting_semaphore<> s(0);
    park_probe probe;
    scope all(on_exception::log);
    std::error_code code;
    all.spawn([&] {
      probe.here();
      try {
        s.acquire();
      } catch (const std::system_error& e) {
        code = e.code();
      }
    });
    probe.await_parked();
    all.request_stop();
    all.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
    s.release();
    EXPECT_TRUE(s.try_acquire()) << "the one that was stopped took nothing";
  });
}

// Hazard 27.
TEST_P(semaphore_test, who_acquires_may_destroy_it) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      haunted<binary_semaphore> s(0);
      fiber giver = other.spawn([&] { s->release(); });
      s->acquire();
      s.destroy();
      EXPECT_TRUE(s.intact());
      giver.join();
      ASSERT_TRUE(s.intact());
    }
  });
}

TEST(semaphore_death_test, misuse_is_told) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(
      {
        binary_semaphore s(1);
        s.release();
      },
      "over max");
  EXPECT_DEATH({ counting_semaphore<> s(-1); }, "0 to max");
  EXPECT_DEATH(
      {
        counting_semaphore<> s(0);
        s.release(-1);
      },
      "over max");
}

}  // namespace
}  // namespace sennit

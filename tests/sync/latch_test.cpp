#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/latch.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;

class latch_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(latch_test);

constinit latch constant_initialised(2);

TEST_P(latch_test, counts_down_once) {
  run([] {
    latch l(3);
    l.count_down(2);
    EXPECT_FALSE(l.try_wait());
    EXPECT_FALSE(l.wait_for(1ms));
    EXPECT_FALSE(l.wait_for(-1h));
    l.count_down(0);
    l.arrive_and_wait();
    EXPECT_TRUE(l.try_wait());
    EXPECT_TRUE(l.wait_for(0s));
    l.wait();
    latch(0).wait();
    EXPECT_FALSE(constant_initialised.try_wait());
  });
}

TEST_P(latch_test, the_last_one_wakes_all) {
  run([] {
    latch l(2);
    std::vector<park_probe> probes(4);
    std::vector<fiber> waiters;
    for (park_probe& p : probes) {
      waiters.push_back(spawn([&] {
        p.here();
        l.wait();
      }));
      p.await_parked();
    }
    l.count_down();
    for (const park_probe& p : probes) EXPECT_TRUE(p.parked());
    std::thread(&latch::count_down, &l, 1).join();
    for (fiber& f : waiters) f.join();
  });
}

// Hazard 27.
TEST_P(latch_test, who_waited_may_destroy_it) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      haunted<latch> l(1);
      fiber counts = other.spawn([&] { l->count_down(); });
      l->wait();
      l.destroy();
      counts.join();
      ASSERT_TRUE(l.intact());
    }
  });
}

TEST_P(latch_test, an_ambient_stop_ends_the_wait) {
  run([] {
    latch never(1);
    park_probe probe;
    std::error_code code;
    scope s(on_exception::log);
    s.spawn([&] {
      probe.here();
      try {
        never.wait();
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

TEST(latch_death_test, misuse_is_told) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(latch(1).count_down(2), "counts down to zero once");
  EXPECT_DEATH(latch(1).count_down(-1), "counts down to zero once");
  EXPECT_DEATH(latch(-1), "number of those to wait for");
}

}  // namespace
}  // namespace sennit

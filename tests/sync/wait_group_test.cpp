#include <thread>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>
#include <sennit/wait_group.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;

class wait_group_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(wait_group_test);

constinit wait_group constant_initialised;

TEST_P(wait_group_test, counts_and_does_not_wait_at_zero) {
  run([] {
    constant_initialised.wait();
    constant_initialised.add(3);
    EXPECT_EQ(constant_initialised.count(), 3u);
    EXPECT_FALSE(constant_initialised.wait_for(1ms));
    for (int i = 0; i < 3; ++i) constant_initialised.done();
    EXPECT_EQ(constant_initialised.count(), 0u);
    EXPECT_TRUE(constant_initialised.wait_for(0s));
  });
}

TEST_P(wait_group_test, only_the_last_done_wakes_and_it_wakes_all) {
  run([] {
    wait_group group;
    group.add(2);
    std::atomic<int> woken{0};
    std::vector<park_probe> probes(5);
    std::vector<fiber> waiters;
    for (park_probe& p : probes) {
      waiters.push_back(spawn([&] {
        p.here();
        group.wait();
        ++woken;
      }));
    }
    for (const park_probe& p : probes) p.await_parked();
    group.done();
    for (const park_probe& p : probes) EXPECT_TRUE(p.parked());
    EXPECT_EQ(woken, 0);
    group.done();
    for (fiber& f : waiters) f.join();
    EXPECT_EQ(woken, 5);
  });
}

TEST_P(wait_group_test, an_ambient_stop_ends_the_wait) {
  run([] {
    wait_group group;
    group.add();
    park_probe probe;
    scope s;
    s.spawn([&] {
      probe.here();
      group.wait();
      ADD_FAILURE() << "nobody called done()";
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    group.done();
  });
}

// Fibers of two runtimes and a plain thread do the work, the waiter destroys the group at once (hazard 27).
TEST_P(wait_group_test, destroyed_at_once_by_the_waiter) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      haunted<wait_group> group;
      group->add(3);
      fiber a = spawn([&] { group->done(); });
      fiber b = other.spawn([&] { group->done(); });
      group->done();
      group->wait();
      group.destroy();
      a.join();
      b.join();
      ASSERT_TRUE(group.intact()) << "round " << i;
    }
  });
}

TEST_P(wait_group_test, everybody_adds_and_is_done) {
  wait_group group;
  const std::size_t each = scaled(100'000);
  std::atomic<std::size_t> finished{0};
  std::vector<std::thread> threads;
  run([&] {
    scope s;
    group.add(6);
    const auto body = [&] {
      for (std::size_t i = 0; i < each; ++i) {
        group.add(2);
        group.done();
        group.done();
      }
      ++finished;
      group.done();
    };
    for (int i = 0; i < 4; ++i) s.spawn(body);
    for (int i = 0; i < 2; ++i) threads.emplace_back(body);
    group.wait();
    EXPECT_EQ(finished, 6u);
    s.join();
  });
  for (std::thread& t : threads) t.join();
}

TEST(wait_group_death_test, done_below_zero) {
  EXPECT_DEATH(
      {
        wait_group group;
        group.done();
      },
      "call add\\(\\) before the work starts");
}

}  // namespace
}  // namespace sennit

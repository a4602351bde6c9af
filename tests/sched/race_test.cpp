// TSan lane only (hazard 24): two fibers are two threads to it even on one worker, and only what hands over from one to
// the other orders them.
#include <gtest/gtest.h>

#include <sennit/sennit.hpp>

namespace sennit::test {
namespace {

/// Two fibers on one worker write the same variable, which is safe there, and luck.
void race() {
  sennit::run({.workers = 1}, [] {
    int shared = 0;
    const auto writes = [&] {
      for (int i = 0; i < 10; ++i) {
        ++shared;
        this_fiber::yield();
      }
    };
    fiber a(writes);
    fiber b(writes);
    a.join();
    b.join();
  });
}

TEST(race_death_test, a_race_between_two_fibers_of_one_worker_is_reported) { EXPECT_DEATH(race(), "data race"); }

TEST(race_test, a_mutex_a_channel_an_event_and_a_join_order_fibers) {
  sennit::run({.workers = 1}, [] {
    int shared = 0;
    mutex m;
    const auto writes = [&] {
      for (int i = 0; i < 10; ++i) {
        {
          const std::lock_guard lock(m);
          ++shared;
        }
        this_fiber::yield();
      }
    };
    fiber a(writes);
    fiber b(writes);
    a.join();
    b.join();
    ++shared;
    channel<int> turns(0);
    event done;
    fiber c([&] {
      turns.receive();
      ++shared;
      done.set();
    });
    turns.send(1);
    done.wait();
    EXPECT_EQ(shared, 22);
    c.join();
  });
}

}  // namespace
}  // namespace sennit::test

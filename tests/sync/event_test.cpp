#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;
using test::until;

class event_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(event_test);

constinit event constant_initialised;

TEST_P(event_test, set_before_the_wait_does_not_park) {
  run([] {
    EXPECT_FALSE(constant_initialised.is_set());
    constant_initialised.set();
    constant_initialised.wait();
    EXPECT_TRUE(constant_initialised.is_set());
    constant_initialised.reset();
    EXPECT_FALSE(constant_initialised.wait_until(std::chrono::steady_clock::time_point::min()));
  });
}

TEST_P(event_test, set_wakes_all_waiters_fibers_and_threads) {
  event go;
  std::atomic<int> woken{0};
  std::vector<park_probe> probes(24);
  std::vector<std::thread> threads;
  run([&] {
    std::vector<fiber> fibers;
    for (std::size_t i = 0; i < probes.size(); ++i) {
      auto body = [&, i] {
        probes[i].here();
        go.wait();
        ++woken;
      };
      if (i % 8 == 0) {
        threads.emplace_back(body);
      } else {
        fibers.push_back(spawn(body));
      }
    }
    for (const park_probe& p : probes) p.await_parked();
    EXPECT_EQ(woken, 0);
    go.set();
    for (fiber& f : fibers) f.join();
  });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(woken, 24);
}

TEST_P(event_test, a_deadline_ends_the_wait_and_leaves_nothing_behind) {
  run([] {
    haunted<event> e;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(e->wait_for(3ms));
    EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms);
    EXPECT_FALSE(e->wait_for(-1s));
    e->set();  // nobody is queued: the timed-out waits have taken themselves out
    EXPECT_TRUE(e->wait_for(std::chrono::hours(1'000'000)));
    e.destroy();
    this_fiber::sleep_for(1ms);  // parks again: no stale node wakes it
    EXPECT_TRUE(e.intact());
  });
  event e;
  EXPECT_FALSE(e.wait_for(1ms));  // a plain thread
}

TEST_P(event_test, an_ambient_stop_ends_the_wait_but_not_one_that_need_not_wait) {
  run([] {
    event never_set;
    park_probe probe;
    int canceled = 0;
    scope s;
    s.spawn([&] {
      probe.here();
      try {
        never_set.wait();
      } catch (const std::system_error& e) {
        canceled += e.code() == std::errc::operation_canceled;
      }
      event set;
      set.set();
      set.wait();
      canceled += 10;
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(canceled, 11);
  });
}

// Hazard 27: the waiter destroys the event as soon as its wait returns, while the setter is still inside set().
template <class StartSetter>
void set_and_destroy_at_once(std::size_t rounds, StartSetter&& start_setter) {
  for (std::size_t i = 0; i < rounds; ++i) {
    haunted<event> e;
    auto setter = start_setter([&e] { e->set(); });
    e->wait();
    e.destroy();
    setter.join();
    ASSERT_TRUE(e.intact()) << "round " << i;
  }
}

TEST_P(event_test, destroyed_at_once_set_by_a_fiber) {
  run([] { set_and_destroy_at_once(scaled(200'000), [](auto f) { return spawn(f); }); });
}

TEST_P(event_test, destroyed_at_once_set_by_a_thread) {
  run([] { set_and_destroy_at_once(scaled(5'000), [](auto f) { return std::thread(f); }); });
}

TEST_P(event_test, destroyed_at_once_set_by_another_runtime) {
  runtime other(opts());
  run([&] { set_and_destroy_at_once(scaled(50'000), [&](auto f) { return other.spawn(f); }); });
}

TEST_P(event_test, destroyed_at_once_by_a_thread) {
  runtime other(opts());
  set_and_destroy_at_once(scaled(50'000), [&](auto f) { return other.spawn(f); });
}

// The setter runs all the time, so that it often is between its store and its unlock when the waiter looks.
TEST_P(event_test, destroyed_by_a_waiter_that_never_parked) {
  runtime other(opts());
  run([&] {
    std::atomic<haunted<event>*> offered{nullptr};
    std::atomic<bool> end{false};
    fiber setter = other.spawn([&] {
      while (!end) {
        if (auto* e = offered.exchange(nullptr)) {
          (*e)->set();
          offered = reinterpret_cast<haunted<event>*>(-1);  // acknowledges
          until([&] { return offered.load() != reinterpret_cast<haunted<event>*>(-1); });
        }
        this_fiber::yield();
      }
    });
    const std::size_t rounds = scaled(200'000);
    for (std::size_t i = 0; i < rounds; ++i) {
      haunted<event> e;
      offered = &e;
      until([&] { return offered.load() != &e; });
      e->wait();
      e.destroy();
      until([&] { return offered.load() == reinterpret_cast<haunted<event>*>(-1); });
      offered = nullptr;
      if (!e.intact()) {
        ADD_FAILURE() << "the setter wrote to the event after the wait, in round " << i;
        break;
      }
    }
    end = true;
    setter.join();
  });
}

// Hazard 2: who comes too late for one wait must not end the next one.
TEST_P(event_test, deadline_and_set_together_give_one_result_and_a_late_set_does_not_end_the_next_wait) {
  run([] {
    detail::random_source random(test::seed());
    const std::size_t rounds = scaled(100'000);
    std::atomic<event*> offered{nullptr};
    std::atomic<bool> end{false};
    fiber setter = spawn([&] {
      while (!end) {
        if (event* e = offered.exchange(nullptr)) e->set();
        this_fiber::yield();
      }
    });
    std::size_t set_first = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
      event raced;
      event never_set;
      offered = &raced;
      const bool was_set = raced.wait_for(std::chrono::nanoseconds(random.below(20'000)));
      set_first += was_set;
      ASSERT_FALSE(never_set.wait_for(std::chrono::nanoseconds(random.below(2'000))))
          << "a late set ended another wait";
      raced.wait();  // set once, whatever came first; afterwards the setter is done with it
      ASSERT_TRUE(raced.is_set());
    }
    end = true;
    setter.join();
    EXPECT_GT(set_first, 0u);
  });
}

TEST_P(event_test, one_event_per_round_between_two_runtimes) {
  runtime other(opts());
  run([&] {
    const std::size_t rounds = scaled(100'000);
    event ping;
    event pong;
    fiber peer = other.spawn([&] {
      for (std::size_t i = 0; i < rounds; ++i) {
        ping.wait();
        ping.reset();
        pong.set();
      }
    });
    for (std::size_t i = 0; i < rounds; ++i) {
      ping.set();
      pong.wait();
      pong.reset();
    }
    peer.join();
  });
}

}  // namespace
}  // namespace sennit

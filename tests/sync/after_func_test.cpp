#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <sennit/after_func.hpp>
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using test::code_of;
using test::scaled;
using test::until;

class after_func_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(after_func_test);

constexpr auto must_not_run = [] { ADD_FAILURE() << "a call that was stopped"; };

TEST_P(after_func_test, calls_once_not_early_and_in_a_fiber_of_its_own) {
  run([] {
    for (const nanoseconds d : {-1ns, 0ns, 2'000'000ns}) {
      event called;
      steady_clock::time_point when;
      fiber::id who;
      const auto start = steady_clock::now();
      scheduled_call call = after_func(d, [&, only_moves = std::make_unique<int>(1)] {
        when = steady_clock::now();
        who = this_fiber::get_id();
        called.set();
      });
      called.wait();
      EXPECT_GE(when - start, d);
      EXPECT_NE(who, fiber::id());
      EXPECT_NE(who, this_fiber::get_id());
      EXPECT_FALSE(call.active());
      EXPECT_FALSE(call.stop());
    }
  });
}

TEST_P(after_func_test, stop_prevents_and_reset_moves_or_repeats) {
  run([] {
    scheduled_call stopped = after_func(1h, must_not_run);
    EXPECT_TRUE(stopped.active());
    EXPECT_TRUE(stopped.stop());
    EXPECT_FALSE(stopped.stop());
    EXPECT_FALSE(stopped.active());
    EXPECT_FALSE(stopped.reset(2h)) << "nothing was to come";
    EXPECT_TRUE(stopped.reset(std::chrono::hours::max()));

    std::atomic<int> calls{0};
    scheduled_call call = after_func(attributes{.name = "counts"}, 1h, [&] {
      EXPECT_EQ(this_fiber::name(), "counts");
      ++calls;
    });
    EXPECT_TRUE(call.reset(1ms));
    until([&] { return calls == 1; });
    EXPECT_FALSE(call.reset_at(steady_clock::now()));
    until([&] { return calls == 2; });
    EXPECT_FALSE(call.reset(1h));
    std::thread([&] {
      EXPECT_TRUE(call.stop());
      EXPECT_FALSE(call.reset(0s));
    }).join();
    until([&] { return calls == 3; });
  });
}

TEST_P(after_func_test, the_destructor_stops_the_call) {
  run([] {
    { const scheduled_call call = after_func(1h, must_not_run); }
    scheduled_call call = after_func(1h, must_not_run);
    call = after_func(2h, must_not_run);
    scheduled_call moved = std::move(call);
    EXPECT_TRUE(moved.active());
    EXPECT_FALSE(call.active());  // NOLINT(bugprone-use-after-move): a handle of nothing
    EXPECT_FALSE(call.stop());
    EXPECT_EQ(code_of([&] { call.reset(1s); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { call.detach(); }), std::errc::invalid_argument);
    swap(call, moved);
    EXPECT_TRUE(call.active());
  });
}

// As fiber's: what the call refers to may be destroyed after the handle.
TEST_P(after_func_test, the_destructor_waits_for_a_call_that_is_being_made) {
  run([] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      bool here = true;
      std::atomic<bool> began{false}, ended{false};
      std::optional<scheduled_call> call = after_func(0s, [&] {
        began = true;
        this_fiber::yield();
        EXPECT_TRUE(here);
        ended = true;
      });
      if (i % 2 == 0) until([&] { return began.load(); });
      call.reset();
      EXPECT_EQ(began, ended);
      here = false;
    }
    event began;
    scheduled_call waits = after_func(0s, [&] {
      began.set();
      const stop_token stop = this_fiber::get_stop_token();
      EXPECT_EQ(code_of([&] { this_fiber::sleep_for(1h, stop); }), std::errc::operation_canceled);
    });
    began.wait();
  });
}

TEST_P(after_func_test, destroyed_by_a_plain_thread) {
  runtime rt(opts());
  std::atomic<int> calls{0};
  {
    const scheduled_call pending = rt.run([] { return after_func(1h, must_not_run); });
    const scheduled_call due = rt.run([&] { return after_func(0s, [&] { ++calls; }); });
    while (calls == 0) std::this_thread::yield();
  }
  EXPECT_EQ(code_of([] { after_func(0s, must_not_run).detach(); }), std::errc::operation_not_permitted)
      << "no runtime here";
}

TEST_P(after_func_test, a_call_may_destroy_its_handle) {
  run([] {
    std::optional<scheduled_call> call;
    event ended;
    const auto witness = std::make_shared<int>(1);
    call = after_func(std::chrono::hours::max(), [&, witness] {
      call.reset();
      EXPECT_EQ(*witness, 1) << "the closure lives until the call ends";
      ended.set();
    });
    call->reset(0s);
    ended.wait();
    until([&] { return witness.use_count() == 1; });
  });
}

TEST_P(after_func_test, a_call_may_arm_itself_again) {
  run([] {
    std::atomic<int> calls{0};
    scheduled_call call;
    call = after_func(std::chrono::hours::max(), [&] {
      ++calls;
      call.reset(0s);
    });
    call.reset(1ms);
    until([&] { return calls >= 20; });
    // Destroyed while it goes on and on.
  });
}

TEST_P(after_func_test, calls_of_one_handle_do_not_overlap) {
  run([] {
    std::atomic<int> inside{0}, calls{0};
    event go;
    scheduled_call call = after_func(0s, [&] {
      EXPECT_EQ(++inside, 1);
      if (++calls == 1) go.wait();
      this_fiber::yield();
      --inside;
    });
    until([&] { return calls == 1; });
    EXPECT_FALSE(call.reset(0s)) << "is being made";
    EXPECT_TRUE(call.reset(1us)) << "one more was to come";
    go.set();
    until([&] { return calls == 2; });
    EXPECT_FALSE(call.stop());
  });
}

TEST_P(after_func_test, a_detached_call_is_made_without_a_handle) {
  run([] {
    for (std::size_t i = 0; i < scaled(2'000); ++i) {
      event called;
      const auto witness = std::make_shared<int>(1);
      scheduled_call call = after_func(nanoseconds(i % 5 * 10'000), [&called, witness] { called.set(); });
      if (i % 3 == 0) called.wait();
      call.detach();
      EXPECT_FALSE(call.active());
      called.wait();
      until([&] { return witness.use_count() == 1; });  // and the fiber ends
    }
    const auto witness = std::make_shared<int>(1);
    scheduled_call stopped = after_func(1h, [witness] { must_not_run(); });
    stopped.stop();
    stopped.detach();
    until([&] { return witness.use_count() == 1; });
  });
}

TEST_P(after_func_test, a_shutdown_ends_what_is_pending) {
  const auto witness = std::make_shared<int>(1);
  scheduled_call kept;
  {
    runtime rt(opts());
    rt.run([&] {
      kept = after_func(1h, [witness] { must_not_run(); });
      after_func(1h, [witness] { must_not_run(); }).detach();
    });
    EXPECT_TRUE(rt.shutdown(10s));
  }
  EXPECT_EQ(witness.use_count(), 1);
  EXPECT_EQ(code_of([&] { kept.reset(0s); }), std::errc::operation_not_permitted);
}

TEST(after_func_death_test, an_exception_of_the_call_terminates) {
  EXPECT_DEATH(sennit::run({.workers = 1},
                           [] {
                             scheduled_call call = after_func(0s, [] { throw std::runtime_error("from the call"); });
                             this_fiber::sleep_for(1h);
                           }),
               "from the call");
}

// f runs exactly as often as there were armings that nobody stopped or replaced.
TEST_P(after_func_test, storm_runs_as_often_as_it_was_not_stopped) {
  const std::uint64_t seed = test::seed();
  runtime other(opts());
  run([&] {
    std::atomic<std::size_t> armings{1}, prevented{0}, calls{0};
    scheduled_call call = after_func(0s, [&] { ++calls; });
    const auto body = [&](std::size_t self) {
      detail::random_source random(seed + self);
      const std::size_t steps = scaled(200'000);
      for (std::size_t i = 0; i < steps; ++i) {
        if (random.below(3) == 0) {
          prevented += call.stop();
        } else {
          ++armings;
          prevented += call.reset(nanoseconds(random.below(20'000)));
        }
        if (random.below(4) == 0) this_fiber::yield();
        if (random.below(64) == 0) this_fiber::sleep_for(nanoseconds(random.below(50'000)));
        for (std::uint32_t spin = random.below(200); spin > 0; --spin) detail::cpu_pause();
      }
    };
    std::vector<fiber> fibers;
    for (std::size_t i = 0; i < 4; ++i) fibers.push_back(i == 3 ? other.spawn(body, i) : spawn(body, i));
    std::thread thread(body, std::size_t{4});
    for (fiber& f : fibers) f.join();
    thread.join();
    ++armings;
    prevented += call.reset(0s);
    test::until([&] { return calls > 0; });
    prevented += call.stop();
    call = scheduled_call();  // the last call has ended
    EXPECT_EQ(calls + prevented, armings);
    EXPECT_GT(prevented, 0u);
    std::cout << armings << " armings, " << calls << " calls\n";
  });
}

}  // namespace
}  // namespace sennit

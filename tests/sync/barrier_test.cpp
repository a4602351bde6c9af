#include <array>
#include <thread>
#include <vector>

#include <sennit/barrier.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;

class barrier_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(barrier_test);

TEST_P(barrier_test, deadlines) {
  run([] {
    barrier<> b(2);
    const auto token = b.arrive();
    EXPECT_FALSE(b.wait_for(token, 1ms));
    EXPECT_FALSE(b.wait_until(token, std::chrono::steady_clock::time_point::min()));
    fiber other = spawn([&] { b.arrive_and_wait(); });
    EXPECT_TRUE(b.wait_for(token, 1h)) << "the arrival has stayed counted";
    other.join();
  });
}

// Fibers of two runtimes and a plain thread go from phase to phase together. All counters are plain: only the barrier
// orders them.
TEST_P(barrier_test, nobody_is_a_phase_ahead) {
  runtime other(opts());
  run([&] {
    constexpr std::size_t members = 6;
    const std::size_t phases = scaled(20'000);
    std::array<std::size_t, members> at{};
    std::size_t completed = 0;
    barrier b(members, [&]() noexcept {
      ++completed;
      for (const std::size_t phase : at) EXPECT_EQ(phase, completed);
    });
    const auto body = [&](std::size_t me) {
      for (std::size_t p = 1; p <= phases; ++p) {
        at[me] = p;
        b.arrive_and_wait();
      }
    };
    std::vector<fiber> fibers;
    for (std::size_t i = 0; i < 3; ++i) fibers.push_back(spawn(body, i));
    for (std::size_t i = 3; i < 5; ++i) fibers.push_back(other.spawn(body, i));
    std::thread thread(body, 5);
    for (fiber& f : fibers) f.join();
    thread.join();
    EXPECT_EQ(completed, phases);
  });
}

TEST_P(barrier_test, a_token_is_waited_for_later) {
  run([] {
    barrier b(2);
    auto first = b.arrive();
    park_probe probe;
    fiber f = spawn([&] {
      auto mine = b.arrive();
      b.wait(std::move(mine));  // complete: does not wait
      auto next = b.arrive();
      probe.here();
      b.wait(std::move(next));
    });
    probe.await_parked();
    b.wait(std::move(first));  // of the phase before
    b.arrive_and_wait();
    f.join();
    b.wait(b.arrive(2));
  });
}

TEST_P(barrier_test, who_drops_out_is_not_expected_again) {
  run([] {
    int completions = 0;
    barrier b(3, [&]() noexcept { ++completions; });
    fiber leaves = spawn([&] { b.arrive_and_drop(); });
    fiber stays = spawn([&] {
      b.arrive_and_wait();
      b.arrive_and_wait();
    });
    b.arrive_and_wait();
    b.arrive_and_wait();
    leaves.join();
    stays.join();
    EXPECT_EQ(completions, 2);
  });
}

TEST_P(barrier_test, a_stopped_wait_has_arrived) {
  run([] {
    barrier b(2);
    park_probe probe;
    std::error_code code;
    scope s(on_exception::log);
    s.spawn([&] {
      probe.here();
      try {
        b.arrive_and_wait();
      } catch (const std::system_error& e) {
        code = e.code();
      }
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
    b.arrive_and_wait();
  });
}

// Hazard 27: the last to arrive makes the waiter run, and touches nothing afterwards.
TEST_P(barrier_test, who_goes_on_may_destroy_it) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(10'000); ++i) {
      haunted<barrier<>> b(2);
      auto mine = b->arrive();
      fiber last = other.spawn([&] { static_cast<void>(b->arrive()); });
      b->wait(std::move(mine));
      b.destroy();
      last.join();
      ASSERT_TRUE(b.intact());
    }
  });
}

TEST(barrier_death_test, misuse_is_told) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(barrier<>(-1), "number of those who arrive");
  EXPECT_DEATH(static_cast<void>(barrier<>(1).arrive(2)), "more arrivals");
  EXPECT_DEATH(
      {
        barrier<> b(1);
        auto old = b.arrive();
        b.arrive_and_wait();
        b.wait(std::move(old));
      },
      "token of the current phase");
}

}  // namespace
}  // namespace sennit

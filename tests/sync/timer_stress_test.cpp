// Timers that many arm, stop and wait for at once.
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/select.hpp>
#include <sennit/timer.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using test::scaled;

class timer_stress_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(timer_stress_test);

/// One timer that many arm, stop and wait for. Each arming gets a number; under the mutex of the test its deadline is
/// noted, so that who takes a tick can tell whether it belongs to an arming that was in force.
class storm {
 public:
  explicit storm(std::uint64_t seed) : seed_(seed) {}

  /// What one of the crowd does: fiber or thread. `steps` times.
  void take_part(std::size_t self, std::size_t steps) {
    detail::random_source random(seed_ + self);
    for (std::size_t i = 0; i < steps; ++i) {
      switch (random.below(8)) {
        case 0:
        case 1: arm(nanoseconds(random.below(60'000))); break;
        case 2: disarm(); break;
        case 3: arm(1h); break;
        case 4:
        case 5:
          take([&](auto&& tick) { return t_.wait_for(nanoseconds(random.below(40'000))) && (tick(), true); });
          break;
        default:
          take([&](auto&& tick) {
            return select(on_tick(t_, tick), after(nanoseconds(random.below(40'000)), [] {})) == 0;
          });
          break;
      }
    }
  }
  void expect_consistent() {
    arm(0ns);  // one that nobody stops
    take([&](auto&&) { return t_.wait_for(1h); });
    // Each arming ended in exactly one way: its tick was taken, or somebody stopped or replaced it while it was active.
    EXPECT_EQ(armings_, taken_ + ended_ + (t_.active() ? 1 : 0));
    EXPECT_GT(taken_, 0u);
    EXPECT_GT(ended_, 0u);
    std::cout << armings_ << " armings, " << taken_ << " ticks\n";
  }

 private:
  void arm(nanoseconds d) {
    ++armings_;
    if (t_.reset(d)) ++ended_;
  }
  void disarm() {
    if (t_.stop()) ++ended_;
  }
  template <class Wait>
  void take(Wait&& wait) {
    if (wait([] {})) ++taken_;
  }

  timer t_;
  const std::uint64_t seed_;
  std::atomic<std::size_t> armings_{0}, taken_{0}, ended_{0};
};

TEST_P(timer_stress_test, storm_each_arming_ends_once) {
  storm all(test::seed());
  runtime other(opts());
  run([&] {
    const std::size_t steps = scaled(200'000);
    std::vector<fiber> fibers;
    for (std::size_t i = 0; i < 4; ++i) fibers.push_back(spawn([&, i] { all.take_part(i, steps); }));
    for (std::size_t i = 4; i < 6; ++i) fibers.push_back(other.spawn([&, i] { all.take_part(i, steps); }));
    std::thread thread([&] { all.take_part(6, steps); });
    for (fiber& f : fibers) f.join();
    thread.join();
  });
  all.expect_consistent();
}

// No stale tick: one arms with a number and stops again; who takes a tick after a stop() has returned, and before the
// next arming began, has got one that should not exist. Odd: armed; even: stopped.
TEST_P(timer_stress_test, storm_no_tick_between_a_stop_and_the_next_arming) {
  const std::uint64_t seed = test::seed();
  runtime other(opts());
  run([&] {
    timer t;
    std::atomic<std::uint64_t> arming{0};
    std::atomic<bool> end{false};
    std::atomic<std::size_t> ticks{0}, stale{0};
    const auto consume = [&](std::size_t self) {
      detail::random_source random(seed + self);
      while (!end) {
        const std::uint64_t before = arming;
        const bool ticked = random.below(2) == 0
                                ? t.wait_for(nanoseconds(random.below(30'000)))
                                : select(on_tick(t, [] {}), after(nanoseconds(random.below(30'000)), [] {})) == 0;
        const std::uint64_t after_it = arming;
        if (!ticked) continue;
        ++ticks;
        if (before == after_it && before % 2 == 0) ++stale;  // all the time nothing was armed
      }
    };
    std::vector<fiber> consumers;
    for (std::size_t i = 0; i < 3; ++i) consumers.push_back(i == 2 ? other.spawn(consume, i) : spawn(consume, i));
    std::thread thread(consume, std::size_t{3});
    detail::random_source random(seed + 99);
    const std::size_t rounds = scaled(100'000);
    std::size_t stopped = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
      ++arming;
      t.reset(nanoseconds(random.below(20'000)));
      for (std::uint32_t spin = random.below(300); spin > 0; --spin) detail::cpu_pause();
      if (random.below(4) == 0) this_fiber::yield();
      stopped += t.stop();
      ++arming;
      for (std::uint32_t spin = random.below(300); spin > 0; --spin) detail::cpu_pause();
      if (random.below(4) == 0) this_fiber::sleep_for(nanoseconds(random.below(20'000)));
    }
    ++arming;
    t.reset(0ns);  // one that nobody stops
    test::until([&] { return ticks + stopped > rounds; });
    end = true;
    for (fiber& f : consumers) f.join();
    thread.join();
    EXPECT_EQ(stale, 0u);
    EXPECT_EQ(ticks + stopped, rounds + 1) << "a tick of an arming that was stopped, or none of one that was not";
    std::cout << rounds << " armings, " << ticks << " ticks\n";
  });
}

// A reset that lengthens: a tick that was due at the old time must not be taken after reset() has returned. Each tick
// tells when it was due, which names its arming.
TEST_P(timer_stress_test, storm_a_tick_belongs_to_the_arming_in_force) {
  const std::uint64_t seed = test::seed();
  runtime other(opts());
  run([&] {
    timer t;
    const auto origin = steady_clock::now() - 1h;
    const std::size_t rounds = scaled(100'000);
    std::atomic<std::size_t> in_force{0};  // armings up to this one have returned
    std::atomic<bool> end{false};
    std::atomic<std::size_t> ticks{0}, stale{0};
    const auto consume = [&] {
      while (!end) {
        const std::size_t before = in_force;
        std::size_t which = rounds + 1;
        select(
            on_tick(t, [&](steady_clock::time_point due) { which = static_cast<std::size_t>((due - origin) / 1us); }),
            after(20us, [] {}));
        if (which > rounds) continue;
        ++ticks;
        if (which < before) ++stale;  // armed over before this select began
      }
    };
    std::vector<fiber> consumers;
    for (int i = 0; i < 3; ++i) consumers.push_back(i == 2 ? other.spawn(consume) : spawn(consume));
    detail::random_source random(seed);
    for (std::size_t i = 1; i <= rounds; ++i) {
      t.reset_at(origin + nanoseconds(i * 1000));  // due, each at a time of its own
      in_force = i;
      for (std::uint32_t spin = random.below(400); spin > 0; --spin) detail::cpu_pause();
      if (random.below(8) == 0) this_fiber::yield();
    }
    test::until([&] { return ticks > 0; });  // if no earlier arming's, then the last one's
    end = true;
    for (fiber& f : consumers) f.join();
    EXPECT_EQ(stale, 0u);
    std::cout << rounds << " armings, " << ticks << " ticks\n";
  });
}

// Several take the ticks of one ticker while others reset and stop it: no tick twice, none early.
TEST_P(timer_stress_test, storm_of_a_ticker) {
  const std::uint64_t seed = test::seed();
  runtime other(opts());
  run([&] {
    ticker k(20us);
    std::atomic<bool> end{false};
    std::atomic<std::size_t> ticks{0}, early{0}, twice{0};
    const auto consume = [&](std::size_t self) {
      detail::random_source random(seed + self);
      ticker::time_point last = ticker::time_point::min();
      while (!end) {
        std::optional<ticker::time_point> tick;
        if (random.below(2) == 0) {
          tick = k.wait_for(nanoseconds(random.below(50'000)));
        } else {
          select(on_tick(k, [&](ticker::time_point due) { tick = due; }), after(30us, [] {}));
        }
        if (!tick) continue;
        ++ticks;
        early += *tick > steady_clock::now();
        twice += *tick == last;
        last = *tick;
      }
    };
    std::vector<fiber> consumers;
    for (std::size_t i = 0; i < 4; ++i) consumers.push_back(i == 3 ? other.spawn(consume, i) : spawn(consume, i));
    std::thread thread(consume, std::size_t{4});
    detail::random_source random(seed + 99);
    const std::size_t rounds = scaled(40'000);
    for (std::size_t i = 0; i < rounds; ++i) {
      random.below(4) == 0 ? k.stop() : k.reset(nanoseconds(1 + random.below(40'000)));
      this_fiber::sleep_for(nanoseconds(random.below(50'000)));
    }
    k.reset(20us);
    test::until([&] { return ticks > 0; });
    end = true;
    for (fiber& f : consumers) f.join();
    thread.join();
    EXPECT_EQ(early, 0u);
    EXPECT_EQ(twice, 0u);
    std::cout << ticks << " ticks\n";
  });
}

}  // namespace
}  // namespace sennit

// Hazards 4, 5 and 6 on the real scheduler: what belongs to a fiber follows it from thread to thread.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cfenv>
#include <cmath>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

options migrating(unsigned workers) { return {.workers = workers, .stall_threshold = {}, .force_migrate = true}; }

TEST(migrate_test, every_yield_resumes_on_another_worker) {
  for (const unsigned workers : {2U, 4U}) {
    sennit::run(migrating(workers), [&] {
      scope all;
      for (int f = 0; f < 10; ++f) {
        all.spawn([] {
          for (std::size_t i = 0; i < scaled(20'000); ++i) {
            const unsigned before = worker_index();
            this_fiber::yield();
            ASSERT_NE(worker_index(), before);
          }
        });
      }
      all.join();
    });
  }
}

// Pinned fibers among many others, so that all workers have reason to steal.
TEST(migrate_test, a_pinned_fiber_stays) {
  for (const bool force : {false, true}) {
    options o = migrating(4);
    o.force_migrate = force;
    sennit::run(o, [&] {
      std::atomic<bool> stop{false};
      scope noise;
      for (int f = 0; f < 6; ++f) {
        noise.spawn([&] {
          while (!stop.load()) this_fiber::yield();
        });
      }
      scope pinned;
      for (int f = 0; f < 12; ++f) {
        pinned.spawn([] {
          for (int round = 0; round < 20; ++round) {
            {
              const pin_guard outer;
              const auto thread = std::this_thread::get_id();
              for (std::size_t i = 0; i < scaled(2'000); ++i) {
                const pin_guard inner;
                this_fiber::yield();
                ASSERT_EQ(std::this_thread::get_id(), thread);
              }
              for (int i = 0; i < 5; ++i) {
                this_fiber::sleep_for(std::chrono::microseconds(50));
                ASSERT_EQ(std::this_thread::get_id(), thread);
              }
            }
            this_fiber::yield();
          }
        });
      }
      pinned.join();
      stop = true;
      noise.join();
    });
  }
}

TEST(migrate_test, a_fiber_spawned_pinned_stays_where_it_ran_first) {
  runtime rt({.workers = 4, .stall_threshold = {}});
  std::vector<fiber> all;
  for (int f = 0; f < 20; ++f) {
    all.push_back(rt.spawn({.pinned = true}, [] {
      const auto thread = std::this_thread::get_id();
      for (std::size_t i = 0; i < scaled(2'000); ++i) {
        i % 64 == 0 ? this_fiber::sleep_for(std::chrono::microseconds(20)) : this_fiber::yield();
        ASSERT_EQ(std::this_thread::get_id(), thread);
      }
    }));
  }
  for (auto& f : all) f.join();
}

// The end of a fiber may switch straight to whoever joins it, but not to one that belongs elsewhere.
TEST(migrate_test, a_pinned_joiner_resumes_where_it_is_pinned) {
  sennit::run(migrating(2), [] {
    const pin_guard pinned;
    const unsigned home = worker_index();
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      unsigned end = home;
      fiber([&] {
        while (worker_index() == home) this_fiber::yield();
        end = worker_index();
      }).join();
      ASSERT_NE(end, home);
      ASSERT_EQ(worker_index(), home);
    }
  });
}

struct boom : std::runtime_error {
  explicit boom(int n) : std::runtime_error("boom " + std::to_string(n)), number(n) {}
  int number;
};

/// Throws to a depth, catching, migrating and rethrowing on the way back.
void nested(int depth, int id) {
  try {
    if (depth == 0) throw boom(id);
    nested(depth - 1, id);
  } catch (const boom& e) {
    if (e.number != id || std::uncaught_exceptions() != 0) throw std::logic_error("another fiber's exception");
    this_fiber::yield();
    try {
      throw boom(id + 1000);
    } catch (const boom& inner) {
      this_fiber::yield();
      if (inner.number != id + 1000) throw std::logic_error("another fiber's inner exception");
    }
    this_fiber::yield();
    throw;
  }
}

/// Yields in a destructor that runs because of an exception.
struct yields_while_unwinding {
  int* seen;
  ~yields_while_unwinding() {
    this_fiber::yield();
    *seen = std::uncaught_exceptions();
    this_fiber::yield();
  }
};

// Hazard 5.
TEST(migrate_test, exceptions_follow_their_fiber) {
  for (const unsigned workers : {2U, 4U}) {
    sennit::run(migrating(workers), [&] {
      scope all;
      for (int id = 0; id < 16; ++id) {
        all.spawn([id] {
          for (std::size_t i = 0; i < scaled(2'000); ++i) {
            int caught = -1;
            try {
              nested(3, id);
            } catch (const boom& e) {
              caught = e.number;
            }
            ASSERT_EQ(caught, id);
            int seen = -1;
            try {
              const yields_while_unwinding guard{&seen};
              throw boom(id);
            } catch (const boom& e) {
              ASSERT_EQ(e.number, id);
            }
            ASSERT_EQ(seen, 1);
            ASSERT_EQ(std::uncaught_exceptions(), 0);
            ASSERT_EQ(std::current_exception(), nullptr);
          }
        });
      }
      all.join();
    });
  }
}

#if SENNIT_TEST_FP_ENV
double third() {
  volatile double one = 1, three = 3;
  return one / three;
}

// Hazard 6.
TEST(migrate_test, the_rounding_mode_follows_its_fiber) {
  sennit::run(migrating(4), [] {
    constexpr std::array modes{FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    std::array<double, modes.size()> expected{};
    for (std::size_t m = 0; m < modes.size(); ++m) {
      std::fesetround(modes[m]);
      expected[m] = third();
    }
    std::fesetround(FE_TONEAREST);
    ASSERT_NE(expected[1], expected[2]);
    scope all;
    for (std::size_t f = 0; f < 16; ++f) {
      all.spawn([&, m = f % modes.size()] {
        std::fesetround(modes[m]);
        for (std::size_t i = 0; i < scaled(10'000); ++i) {
          this_fiber::yield();
          ASSERT_EQ(std::fegetround(), modes[m]);
          ASSERT_EQ(third(), expected[m]);
        }
      });
    }
    all.join();
  });
}

TEST(migrate_test, a_new_fiber_has_its_spawners_rounding_mode) {
  sennit::run(migrating(2), [] {
    fiber([] {
      std::fesetround(FE_UPWARD);
      fiber child([] {
        EXPECT_EQ(std::fegetround(), FE_UPWARD);
        fiber([] { EXPECT_EQ(std::fegetround(), FE_UPWARD); }).join();
        std::fesetround(FE_DOWNWARD);
      });
      std::fesetround(FE_TOWARDZERO);
      child.join();
      EXPECT_EQ(std::fegetround(), FE_TOWARDZERO);
    }).join();
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
    fiber([] { EXPECT_EQ(std::fegetround(), FE_TONEAREST); }).join();
  });
  std::fesetround(FE_DOWNWARD);
  runtime rt({.workers = 1});
  fiber from_a_thread = rt.spawn([] { EXPECT_EQ(std::fegetround(), FE_DOWNWARD); });
  std::fesetround(FE_TONEAREST);
  from_a_thread.join();
}
#endif

[[gnu::noinline]] double ten_doubles_over_yields(double x) {
  double a = std::sin(x), b = a * 3, c = b + 1, d = c * c, e = d - a, f = e * b, g = f + c, h = g * d, i = h - e,
         j = i + f;
  this_fiber::yield();
  a += b;
  this_fiber::yield();
  return a + c + d + e + f + g + h + i + j;
}

TEST(migrate_test, doubles_stay_alive_over_a_yield) {
  sennit::run(migrating(4), [] {
    const auto reference = [](double x) {
      double result = 0;
      std::thread([&] { result = ten_doubles_over_yields(x); }).join();  // a plain thread: yields are harmless there
      return result;
    };
    scope all;
    for (int n = 0; n < 8; ++n) {
      all.spawn([n, expected = reference(n + 0.5)] {
        for (std::size_t k = 0; k < scaled(5'000); ++k) ASSERT_EQ(ten_doubles_over_yields(n + 0.5), expected);
      });
    }
    all.join();
  });
}

}  // namespace
}  // namespace sennit::test

// fiber against std::jthread, and what only fiber has: names, attributes, errors.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <unordered_set>

#include <sennit/fiber.hpp>
#include <sennit/runtime.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class fiber_test : public runtimes {};
INSTANTIATE_RUNTIMES(fiber_test);

template <class F>
std::error_code code_thrown_by(F&& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    EXPECT_FALSE(std::string(e.what()).empty());
    return e.code();
  }
  return {};
}

TEST_P(fiber_test, hardware_concurrency_is_the_default_number_of_workers) {
  EXPECT_EQ(fiber::hardware_concurrency(), runtime().workers());
}

TEST_P(fiber_test, runs_and_joins) {
  run([] {
    int n = 0;
    fiber f([&] { n = 1; });
    EXPECT_TRUE(f.joinable());
    f.join();
    EXPECT_FALSE(f.joinable());
    EXPECT_EQ(n, 1);
  });
}

TEST_P(fiber_test, binds_arguments_as_jthread_does) {
  run([] {
    struct adder {
      int sum = 0;
      void add(int a, int b) { sum += a + b; }
    } target;
    fiber(&adder::add, &target, 1, 2).join();
    EXPECT_EQ(target.sum, 3);
    int n = 5;
    fiber([](int& r, int copy) { r = copy + 1; }, std::ref(n), n).join();
    EXPECT_EQ(n, 6);
    std::unique_ptr<int> got;
    fiber([&](std::unique_ptr<int> p) { got = std::move(p); }, std::make_unique<int>(7)).join();
    EXPECT_EQ(*got, 7);
    fiber([&, p = std::make_unique<int>(8)] { got = std::make_unique<int>(*p); }).join();
    EXPECT_EQ(*got, 8);
    std::string text;
    const char word[] = "decays";
    fiber([&](std::string s) { text = std::move(s); }, word).join();
    EXPECT_EQ(text, "decays");
    const std::array<char, 1000> large{'x'};  // a closure that does not fit in the block
    char first = 0;
    fiber([&first, large] { first = large[0]; }).join();
    EXPECT_EQ(first, 'x');
  });
}

TEST_P(fiber_test, what_the_callable_holds_goes_before_join_returns) {
  run([] {
    const auto held = std::make_shared<int>();
    fiber f([held] {});
    f.join();
    EXPECT_EQ(held.use_count(), 1);
  });
}

TEST_P(fiber_test, moves_and_swaps) {
  run([] {
    std::atomic<int> ran{0};
    fiber a([&] { ++ran; });
    const auto id = a.get_id();
    fiber b(std::move(a));
    EXPECT_FALSE(a.joinable());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(b.get_id(), id);
    swap(a, b);
    EXPECT_EQ(a.get_id(), id);
    fiber c([&] { ++ran; });
    c = std::move(a);  // joins what it held
    EXPECT_GE(ran, 1);
    EXPECT_EQ(c.get_id(), id);
    c.join();
    EXPECT_EQ(ran, 2);
    fiber none;
    EXPECT_FALSE(none.joinable());
    EXPECT_EQ(none.get_id(), fiber::id());
    EXPECT_FALSE(none.request_stop());
    EXPECT_FALSE(none.get_stop_token().stop_possible());
  });
}

TEST_P(fiber_test, a_second_join_or_detach_is_an_error) {
  run([] {
    fiber f([] {});
    f.join();
    EXPECT_EQ(code_thrown_by([&] { f.join(); }), std::errc::invalid_argument);
    EXPECT_EQ(code_thrown_by([&] { f.detach(); }), std::errc::invalid_argument);
    EXPECT_EQ(code_thrown_by([] { fiber().join(); }), std::errc::invalid_argument);
  });
}

TEST_P(fiber_test, joining_oneself_is_an_error) {
  run([] {
    std::error_code code;
    baton handed;
    fiber f;
    f = fiber([&] {
      handed.wait();
      code = code_thrown_by([&] { f.join(); });
    });
    handed.post();
    f.join();
    EXPECT_EQ(code, std::errc::resource_deadlock_would_occur);
  });
}

TEST_P(fiber_test, a_plain_thread_joins_too) {
  runtime rt(opts());
  std::atomic<int> ran{0};
  for (std::size_t i = 0; i < scaled(5'000); ++i) rt.spawn([&] { ++ran; }).join();
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < scaled(5'000); ++i) {
        fiber f = rt.spawn([&] {
          this_fiber::yield();
          ++ran;
        });
        f.join();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(static_cast<std::size_t>(ran), 4 * scaled(5'000));
}

TEST_P(fiber_test, join_rethrows_once) {
  run([] {
    fiber f([] { throw std::runtime_error("from the fiber"); });
    try {
      f.join();
      FAIL();
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "from the fiber");
    }
    EXPECT_FALSE(f.joinable());
  });
  runtime rt(opts());
  EXPECT_THROW(rt.spawn([] { throw 1; }).join(), int) << "to a plain thread";
  EXPECT_THROW(rt.run([] { throw 1L; }), long);
}

TEST_P(fiber_test, detached_fibers_run_on) {
  run([] {
    baton done;
    fiber f([&] {
      this_fiber::yield();
      done.post();
    });
    f.detach();
    EXPECT_FALSE(f.joinable());
    done.wait();
    go([&] { done.post(); });
    done.wait();
    std::string seen;
    go([&](int n) { seen = std::to_string(n), done.post(); }, 3);
    done.wait();
    EXPECT_EQ(seen, "3");
    go(attributes{.name = "named"}, [&] { seen = this_fiber::name(), done.post(); });
    done.wait();
    EXPECT_EQ(seen, "named");
  });
}

TEST_P(fiber_test, the_destructor_requests_a_stop_and_joins) {
  run([] {
    bool stopped = false;
    {
      const fiber f([&](stop_token token) {
        EXPECT_TRUE(token.stop_possible());
        until([&] { return token.stop_requested(); });
        stopped = true;
      });
    }
    EXPECT_TRUE(stopped);
  });
}

TEST_P(fiber_test, its_stop_is_advisory) {
  run([] {
    fiber f(
        [&](stop_token token, int n) {
          EXPECT_EQ(n, 4);
          until([&] { return token.stop_requested(); });
          EXPECT_TRUE(this_fiber::get_stop_token().stop_requested()) << "the same";
          EXPECT_FALSE(this_fiber::stop_requested()) << "not the ambient one";
          this_fiber::sleep_for(1us);  // not a wait that was handed the token
          this_fiber::maybe_yield();
        },
        4);
    EXPECT_FALSE(f.get_stop_token().stop_requested());
    int called = 0;
    const stop_callback note(f.get_stop_token(), [&] { ++called; });
    EXPECT_TRUE(f.request_stop());
    EXPECT_FALSE(f.request_stop());
    EXPECT_EQ(called, 1);
    EXPECT_TRUE(f.get_stop_source().stop_requested());
    f.join();
    fiber plain([] { until([] { return this_fiber::get_stop_token().stop_requested(); }); });
    EXPECT_TRUE(plain.request_stop()) << "without a token parameter too";
    plain.join();
  });
}

TEST_P(fiber_test, ids_are_unique_among_all_runtimes) {
  runtime other({.workers = 1});
  run([&] {
    std::unordered_set<fiber::id> ids{this_fiber::get_id(), fiber::id()};
    EXPECT_EQ(ids.size(), 2u);
    for (int i = 0; i < 3000; ++i) {
      fiber f = i % 3 == 0 ? other.spawn([] {}) : fiber([] {});
      EXPECT_TRUE(ids.insert(f.get_id()).second);
      f.join();
    }
    fiber::id inside;
    fiber f([&] { inside = this_fiber::get_id(); });
    const auto outside = f.get_id();
    f.join();
    EXPECT_EQ(inside, outside);
    EXPECT_LT(fiber::id(), inside);
    std::ostringstream text;
    text << inside;
    EXPECT_EQ(text.str(), std::to_string(inside.value()));
  });
}

TEST_P(fiber_test, names_are_kept_up_to_their_limit) {
  run([] {
    const auto name_of = [](std::string_view name) {
      std::string seen;
      fiber(attributes{.name = name}, [&] { seen = this_fiber::name(); }).join();
      return seen;
    };
    EXPECT_EQ(name_of("short"), "short");
    EXPECT_EQ(name_of(""), "fiber");
    const std::string kept = name_of("12345678901234567890123456789012345");
    EXPECT_EQ(kept, "12345678901234567890123");
    EXPECT_EQ(name_of("after a long one"), "after a long one");
    fiber([] { EXPECT_EQ(this_fiber::name(), "fiber"); }).join();
  });
}

TEST_P(fiber_test, stack_sizes) {
  run([] {
    const auto touches = [](std::size_t usable, std::size_t bytes) {
      std::size_t sum = 0;
      fiber(attributes{.stack_size = usable}, [&] {
        auto* const room = static_cast<volatile char*>(__builtin_alloca(bytes));
        for (std::size_t i = 0; i < bytes; i += 512) room[bytes - 1 - i] = 1, ++sum;
      }).join();
      return sum > 0;
    };
    EXPECT_TRUE(touches(0, 100'000)) << "the runtime's own size";
    EXPECT_TRUE(touches(1, 30'000)) << "rounded up";
    EXPECT_TRUE(touches(600'000, 580'000));
    EXPECT_TRUE(touches(8'000'000, 7'900'000));
    for (const std::size_t absurd : {std::size_t{9} << 20, std::size_t{1} << 40, ~std::size_t{0}}) {
      EXPECT_EQ(code_thrown_by([&] { fiber(attributes{.stack_size = absurd}, [] {}).join(); }),
                std::errc::invalid_argument);
    }
  });
}

TEST(fiber_on_a_plain_thread_test, spawning_needs_a_runtime) {
  EXPECT_EQ(code_thrown_by([] { fiber([] {}).join(); }), std::errc::operation_not_permitted);
  EXPECT_EQ(code_thrown_by([] { spawn([] {}).join(); }), std::errc::operation_not_permitted);
  EXPECT_EQ(code_thrown_by([] { go([] {}); }), std::errc::operation_not_permitted);
}

TEST_P(fiber_test, a_handle_outlives_its_runtime) {
  fiber ended, stopped;
  {
    runtime rt(opts());
    ended = rt.spawn([] { throw std::runtime_error("kept"); });
    stopped = rt.spawn([] { this_fiber::sleep_for(1h); });
    while (rt.stats().finished == 0) std::this_thread::yield();
  }
  EXPECT_THROW(ended.join(), std::runtime_error);
  EXPECT_EQ(code_thrown_by([&] { stopped.join(); }), std::errc::operation_canceled);
}

TEST_P(fiber_test, many_spawn_many) {
  runtime rt(opts());
  std::atomic<std::size_t> ran{0};
  const std::size_t width = 10, depth = 4;
  struct tree {
    static void grow(std::atomic<std::size_t>& n, std::size_t width, std::size_t depth) {
      ++n;
      if (depth == 0) return;
      std::vector<fiber> children;
      for (std::size_t i = 0; i < width; ++i) children.emplace_back([&n, width, depth] { grow(n, width, depth - 1); });
      for (auto& c : children) c.join();
    }
  };
  rt.run([&] { tree::grow(ran, width, depth); });
  EXPECT_EQ(ran, 11'111u);
  const runtime_stats s = rt.stats();
  EXPECT_EQ(s.spawned, 11'111u);
  EXPECT_GE(s.switches, 11'111u);
}

TEST_P(fiber_test, a_recycled_control_block_knows_nothing_of_its_last_fiber) {
  run([] {
    for (int i = 0; i < 200; ++i) {
      fiber before(attributes{.name = "before"}, [] {
        until([] { return this_fiber::get_stop_token().stop_requested(); });
        throw std::runtime_error("as expected");
      });
      EXPECT_TRUE(before.request_stop());
      EXPECT_THROW(before.join(), std::runtime_error);
      fiber after([] { EXPECT_EQ(this_fiber::name(), "fiber"); });
      EXPECT_FALSE(after.get_stop_token().stop_requested());
      after.join();
    }
  });
}

// The stack and the control block come from caches that fibers of all workers empty and fill.
TEST_P(fiber_test, recycles_stacks_and_blocks) {
  runtime rt(opts());
  const std::size_t rounds = scaled(2'000);
  rt.run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      std::vector<fiber> some;
      for (int k = 0; k < 100; ++k) some.emplace_back([] { this_fiber::yield(); });
      for (auto& f : some) f.join();
    }
  });
  const auto s = rt.stats();
  EXPECT_EQ(s.spawned, 1 + 100 * rounds);
  EXPECT_LE(s.stacks_cached, 1000u);
  EXPECT_TRUE(rt.shutdown(60s));
  EXPECT_EQ(rt.stats().stacks_in_use, 0u);
  EXPECT_EQ(rt.stats().finished, rt.stats().spawned);
}

TEST(fiber_death_test, a_stop_callback_that_waits_is_an_error) {
  const auto wait_in_a_callback = [](auto wait) {
    run({.workers = 1}, [&] {
      event over;
      fiber other([&] { over.wait(); });
      this_fiber::yield();  // now it is parked, and nobody is there to switch to
      const stop_callback note(other.get_stop_token(), wait);
      other.request_stop();
      over.set();
    });
  };
  EXPECT_DEATH(wait_in_a_callback([] { this_fiber::sleep_for(1us); }), "a stop_callback must not wait or yield");
  EXPECT_DEATH(wait_in_a_callback([] { this_fiber::yield(); }), "a stop_callback must not wait or yield");
}

}  // namespace
}  // namespace sennit::test

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <sennit/event.hpp>
#include <sennit/runtime.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class runtime_test : public runtimes {};
INSTANTIATE_RUNTIMES(runtime_test);

TEST_P(runtime_test, run_returns_the_result) {
  runtime rt(opts());
  EXPECT_EQ(rt.run([] { return 42; }), 42);
  EXPECT_EQ(*rt.run([] { return std::make_unique<int>(5); }), 5);
  rt.run([] {});
  EXPECT_EQ(sennit::run([] { return std::string("default"); }), "default");
  EXPECT_EQ(rt.workers(), workers());
  EXPECT_EQ(rt.stats().workers, workers());
}

TEST_P(runtime_test, current_is_the_fibers_own) {
  EXPECT_EQ(runtime::current(), nullptr);
  runtime rt(opts());
  rt.run([&] { EXPECT_EQ(runtime::current(), &rt); });
}

TEST_P(runtime_test, several_threads_run_at_once) {
  runtime rt(opts());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(rt.run([&] {
          this_fiber::yield();
          return t * 1000 + i;
        }),
                  t * 1000 + i);
      }
    });
  }
  for (auto& t : threads) t.join();
}

TEST_P(runtime_test, an_exception_of_f_ends_the_rest) {
  EXPECT_THROW(run([] {
                 go([] {
                   try {
                     this_fiber::sleep_for(1h);
                   } catch (const std::system_error&) {}
                 });
                 throw std::logic_error("from f");
               }),
               std::logic_error);
}

TEST(runtime_options_test, bad_ones_are_refused) {
  const auto refused = [](options o) {
    try {
      const runtime rt(o);
    } catch (const std::system_error& e) {
      return e.code() == std::errc::invalid_argument;
    }
    return false;
  };
  EXPECT_TRUE(refused({.workers = 1025}));
  EXPECT_TRUE(refused({.stack_size = std::size_t{1} << 40}));
  EXPECT_TRUE(refused({.stack_size = 0}));
}

TEST(runtime_options_test, the_default_stack_size_is_that_of_fibers) {
  for (const std::size_t size : {std::size_t{60} << 10, std::size_t{900} << 10}) {
    sennit::run({.workers = 1, .stack_size = size}, [&] {
      const auto cls = detail::current_fiber()->stack_kind;
      EXPECT_EQ(cls, detail::class_for(size));
      fiber([&] { EXPECT_EQ(detail::current_fiber()->stack_kind, cls); }).join();
    });
  }
}

TEST(runtime_options_test, threads_carry_the_name) {
  sennit::run({.workers = 1, .name = "zebra-with-a-long-name"}, [] {
    char name[16] = {};
    ASSERT_EQ(::pthread_getname_np(::pthread_self(), name, sizeof name), 0);
    EXPECT_EQ(std::string(name), "zebra-with-0");
  });
}

TEST_P(runtime_test, counts_what_it_does) {
  runtime rt(opts());
  const runtime_stats before = rt.stats();
  rt.run([&] {
    until([&] { return rt.stats().polls > before.polls; });  // busy workers poll too
    for (int i = 0; i < 10; ++i) {
      event go;
      park_probe probe;
      fiber f([&] {
        probe.here();
        go.wait();
      });
      probe.await_parked();
      go.set();
      f.join();
    }
  });
  EXPECT_TRUE(rt.shutdown(60s));
  const runtime_stats after = rt.stats();
  EXPECT_EQ(after.spawned - before.spawned, 11u);
  EXPECT_EQ(after.finished - before.finished, 11u);
  EXPECT_GE(after.parks - before.parks, 10u);
  EXPECT_GT(after.switches, before.switches);
}

TEST_P(runtime_test, a_handle_spawns_from_anywhere) {
  runtime_handle none;
  EXPECT_THROW(none.spawn([] {}).join(), std::system_error);
  EXPECT_EQ(runtime_handle::current(), none) << "a plain thread";
  runtime_handle late;
  {
    runtime rt(opts());
    const runtime_handle h = rt.handle();
    late = h;
    rt.run([&] { EXPECT_EQ(runtime_handle::current(), h); });
    const runtime* ran_on = nullptr;
    h.spawn([&](int) { ran_on = runtime::current(); }, 1).join();
    EXPECT_EQ(ran_on, &rt);
    runtime other(opts());
    EXPECT_EQ(other.run([&] { return h.async([] { return runtime::current(); }).get(); }), &rt);
    EXPECT_NE(other.handle(), h);
    EXPECT_TRUE(rt.shutdown(60s));
    EXPECT_THROW(late.spawn([] {}).join(), std::system_error) << "shut down";
  }
  try {
    late.spawn([] {}).join();
    FAIL() << "gone";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::operation_not_permitted);
  }
}

// The runtime goes while others spawn into it by their handles: each spawn is refused, or its fiber runs to its end.
TEST_P(runtime_test, goes_while_handles_spawn) {
  for (std::size_t i = 0; i < scaled(500); ++i) {
    std::atomic<std::size_t> ran{0};
    std::size_t spawned = 0;
    std::optional<runtime> rt(std::in_place, opts());
    std::atomic<bool> begun{false};
    std::thread spawning([&, h = rt->handle()] {
      try {
        for (;;) {
          fiber f = h.spawn([&] { ++ran; });
          ++spawned;
          f.join();
          begun = true;
        }
      } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), std::errc::operation_not_permitted);
      }
      begun = true;
    });
    while (!begun) std::this_thread::yield();
    rt.reset();
    spawning.join();
    ASSERT_EQ(ran, spawned);
  }
}

TEST_P(runtime_test, comes_and_goes) {
  for (std::size_t i = 0; i < scaled(1'000); ++i) {
    runtime rt(opts());
    if (i % 2 == 0) rt.run([] {});
  }
}

}  // namespace
}  // namespace sennit::test

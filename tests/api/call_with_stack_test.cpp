#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>

#include "stack/arena.hpp"
#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

class call_with_stack_test : public runtimes {};
INSTANTIATE_RUNTIMES(call_with_stack_test);

/// Touches `bytes` of the stack it is called on.
[[gnu::noinline]] int use(std::size_t bytes) {
  auto* const room = static_cast<char*>(__builtin_alloca(bytes));
  std::memset(room, 1, bytes);
  asm volatile("" ::"r"(room) : "memory");
  return room[bytes / 2];
}

TEST_P(call_with_stack_test, runs_where_there_is_room) {
  run([] {
    const auto outside = detail::find_stack(__builtin_frame_address(0)).slot;
    std::byte* inside = nullptr;
    EXPECT_EQ(call_with_stack(7 << 20,
                              [&] {
                                inside = detail::find_stack(__builtin_frame_address(0)).slot;
                                return use(6 << 20);
                              }),
              1);
    EXPECT_NE(inside, outside);
    EXPECT_EQ(detail::find_stack(__builtin_frame_address(0)).slot, outside);
    EXPECT_EQ(detail::current_fiber()->slot, outside);
  });
}

TEST_P(call_with_stack_test, returns_values_references_and_what_only_moves) {
  run([] {
    int n = 3;
    int& r = call_with_stack(1000, [&]() -> int& { return n; });
    EXPECT_EQ(&r, &n);
    EXPECT_EQ(*call_with_stack(1000, [] { return std::make_unique<int>(4); }), 4);
    call_with_stack(1000, [&] { n = 5; });
    EXPECT_EQ(n, 5);
  });
}

TEST_P(call_with_stack_test, parks_and_migrates_inside) {
  options o = opts();
  o.force_migrate = true;
  sennit::run(o, [] {
    scope all;
    for (int f = 0; f < 8; ++f) {
      all.spawn([f] {
        for (std::size_t i = 0; i < scaled(2'000); ++i) {
          const int got = call_with_stack(300'000, [f] {
            this_fiber::yield();
            this_fiber::sleep_for(std::chrono::microseconds(10));
            return f;
          });
          ASSERT_EQ(got, f);
          this_fiber::yield();
        }
      });
    }
    all.join();
  });
}

TEST_P(call_with_stack_test, exceptions_pass_through) {
  run([] {
    try {
      call_with_stack(1 << 20, [] {
        this_fiber::yield();
        throw std::runtime_error("thrown below");
      });
      FAIL();
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "thrown below");
    }
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
}

TEST_P(call_with_stack_test, is_a_plain_call_for_exceptions_in_flight) {
  run([] {
    try {
      throw std::runtime_error("outer");
    } catch (const std::runtime_error&) {
      call_with_stack(1 << 20, [] {
        try {
          throw;  // the one that is being handled outside
        } catch (const std::runtime_error& e) {
          EXPECT_STREQ(e.what(), "outer");
        }
        this_fiber::yield();
        EXPECT_NE(std::current_exception(), nullptr);
      });
      EXPECT_NE(std::current_exception(), nullptr);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
  });
}

TEST_P(call_with_stack_test, nests) {
  run([] {
    struct inner {
      static int down(int n) {
        if (n == 0) return 0;
        return call_with_stack(100'000, [n] {
          use(90'000);
          this_fiber::yield();
          return down(n - 1) + 1;
        });
      }
    };
    EXPECT_EQ(inner::down(50), 50);
    scope s;
    s.spawn([] { EXPECT_EQ(call_with_stack(1 << 20, [] { return fiber([] { use(50'000); }).join(), 1; }), 1); });
    s.join();
  });
}

TEST_P(call_with_stack_test, absurd_sizes_are_refused) {
  const auto refused = [](std::size_t size) {
    bool ran = false;
    try {
      call_with_stack(size, [&] { ran = true; });
    } catch (const std::system_error& e) {
      return e.code() == std::errc::invalid_argument && !ran;
    }
    return false;
  };
  run([&] {
    for (const std::size_t size : {std::size_t{0}, std::size_t{9} << 20, ~std::size_t{0}}) EXPECT_TRUE(refused(size));
  });
  EXPECT_TRUE(refused(~std::size_t{0})) << "on a plain thread too";
}

TEST_P(call_with_stack_test, gives_its_stack_back) {
  runtime rt(opts());
  rt.run([] {
    for (std::size_t i = 0; i < scaled(20'000); ++i) call_with_stack(7 << 20, [] { this_fiber::yield(); });
  });
  EXPECT_LE(rt.stats().stacks_cached, 100u);
}

TEST(call_with_stack_on_a_plain_thread_test, runs_in_place) {
  const auto id = std::this_thread::get_id();
  EXPECT_TRUE(call_with_stack(1 << 20, [&] { return std::this_thread::get_id() == id; }));
  EXPECT_THROW(call_with_stack(1 << 20, [] { throw 1; }), int);
}

}  // namespace
}  // namespace sennit::test

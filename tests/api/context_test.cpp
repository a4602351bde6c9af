#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sennit/context.hpp>

namespace sennit {
namespace {

constexpr std::size_t stack_size = 64 * 1024;

TEST(PublicContext, RunsNothingBeforeTheFirstResume) {
  int step = 0;
  context ctx(stack_size, [&](context& self) {
    step = 1;
    self.suspend();
    step = 2;
  });
  EXPECT_EQ(step, 0);
  ctx.resume();
  EXPECT_EQ(step, 1);
  EXPECT_FALSE(ctx.done());
  ctx.resume();
  EXPECT_EQ(step, 2);
  EXPECT_TRUE(ctx.done());
}

TEST(PublicContext, ContextsResumeEachOther) {
  std::string trace;
  context inner(stack_size, [&](context& self) {
    for (const char c : {'b', 'd', 'f'}) {
      trace += c;
      self.suspend();
    }
  });
  context outer(stack_size, [&](context& self) {
    for (const char c : {'a', 'c', 'e'}) {
      trace += c;
      inner.resume();
      self.suspend();
    }
  });
  while (!outer.done()) outer.resume();
  EXPECT_EQ(trace, "abcdef");
}

TEST(PublicContext, WhatFHoldsGoesWhenFEnds) {
  const auto held = std::make_shared<int>(1);
  context ctx(stack_size, [mine = std::make_unique<std::shared_ptr<int>>(held)](context&) {});
  EXPECT_EQ(held.use_count(), 2);
  ctx.resume();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(PublicContext, AnExceptionLeavesResumeAndEndsIt) {
  context ctx(stack_size, [](context& self) {
    self.suspend();
    throw std::runtime_error("from inside");
  });
  ctx.resume();
  EXPECT_THROW(ctx.resume(), std::runtime_error);
  EXPECT_TRUE(ctx.done());
}

TEST(PublicContext, DestroyedBeforeItRanCallsNothing) {
  const auto held = std::make_shared<int>(1);
  {
    context ctx(stack_size, [held](context&) { ADD_FAILURE() << "ran"; });
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(PublicContext, DestroyedWhileSuspendedUnwinds) {
  const auto held = std::make_shared<int>(1);
  bool passed_by = false;
  {
    context ctx(stack_size, [&](context& self) {
      const auto copy = held;
      try {
        self.suspend();
        ADD_FAILURE() << "went on";
      } catch (...) {
        passed_by = true;
        throw;
      }
    });
    ctx.resume();
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_TRUE(passed_by);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(PublicContext, DestroyedByAnExceptionOfItsOwner) {
  const auto held = std::make_shared<int>(1);
  const auto owner = [&] {
    context ctx(stack_size, [held](context& self) {
      const auto copy = held;
      self.suspend();
    });
    ctx.resume();
    throw std::runtime_error("of the owner");
  };
  EXPECT_THROW(owner(), std::runtime_error);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST(PublicContext, MovesFromThreadToThread) {
  std::vector<std::thread::id> seen;
  std::vector<std::thread::id> resumers;
  context ctx(stack_size, [&](context& self) {
    for (int i = 0; i < 4; ++i) {
      seen.push_back(std::this_thread::get_id());
      self.suspend();
    }
  });
  while (!ctx.done()) {
    std::thread([&] {
      resumers.push_back(std::this_thread::get_id());
      ctx.resume();
    }).join();
  }
  ASSERT_EQ(resumers.size(), 5U);
  resumers.pop_back();  // which only let it end
  EXPECT_EQ(seen, resumers);
}

TEST(PublicContext, AThousandAtOnce) {
  int sum = 0;
  std::vector<std::unique_ptr<context>> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(std::make_unique<context>(stack_size, [&sum, i](context& self) {
      self.suspend();
      sum += i;
    }));
    all.back()->resume();
  }
  for (auto& ctx : all) ctx->resume();
  EXPECT_EQ(sum, 999 * 1000 / 2);
}

TEST(PublicContext, AbsurdStackSizesAreRefused) {
  const auto nothing = [](context&) {};
  for (const std::size_t size : {std::size_t{0}, std::size_t{1} << 40, ~std::size_t{0}}) {
    try {
      const context ctx(size, nothing);
      ADD_FAILURE() << size << " bytes were accepted";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::invalid_argument);
    }
  }
}

TEST(PublicContextDeathTest, MisuseIsNamed) {
  EXPECT_DEATH(
      {
        context ctx(stack_size, [](context&) {});
        ctx.resume();
        ctx.resume();
      },
      "ask done\\(\\) before you resume a context");
  EXPECT_DEATH(context(stack_size, [](context& self) { self.resume(); }).resume(), "resume a context from outside");
  EXPECT_DEATH(context(stack_size, [](context&) {}).suspend(), "suspend\\(\\) is for the function");
  EXPECT_DEATH(
      {
        context ctx(stack_size, [](context& self) {
          try {
            self.suspend();
          } catch (...) {
            self.suspend();
          }
        });
        ctx.resume();
      },
      "let the exception that suspend\\(\\) threw pass");
}

}  // namespace
}  // namespace sennit

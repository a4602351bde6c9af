// The conformance suite of context.hpp, first part: switching, values, registers, stacks.
#include "context/context.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "context/harness.hpp"
#include "context/registers.hpp"

namespace sennit::detail::test {
namespace {

void* as_pointer(std::uintptr_t value) { return reinterpret_cast<void*>(value); }
std::uintptr_t as_number(void* value) { return reinterpret_cast<std::uintptr_t>(value); }

TEST(Context, SaysWhichImplementationIsIn) {
#if defined(SENNIT_TEST_BOOST)
  EXPECT_STREQ(context_name, "boost");
#elif defined(__aarch64__)
  EXPECT_STREQ(context_name, "asm arm64 aapcs");
#else
  EXPECT_STREQ(context_name, "asm x86-64 sysv");
#endif
}

TEST(Context, PingPongAlternates) {
  std::string trace;
  coroutine other([&](coroutine& self) {
    for (int i = 0; i < 3; ++i) {
      trace += 'b';
      self.suspend();
    }
  });
  for (int i = 0; i < 3; ++i) {
    trace += 'a';
    other.resume();
  }
  EXPECT_FALSE(other.done());
  other.resume();
  EXPECT_TRUE(other.done());
  EXPECT_EQ(trace, "ababab");
}

TEST(Context, ValuesCrossBothWays) {
  coroutine other([](coroutine& self) {
    std::uintptr_t got = as_number(self.first_value());
    for (int i = 0; i < 1000; ++i) got = as_number(self.suspend(as_pointer(got * 3 + 1)));
  });
  for (std::uintptr_t i = 0; i < 1000; ++i) EXPECT_EQ(as_number(other.resume(as_pointer(i))), i * 3 + 1);
  EXPECT_EQ(other.resume(nullptr), nullptr);
  EXPECT_TRUE(other.done());
}

TEST(Context, ContextsResumeContexts) {
  constexpr int depth = 50;
  int innermost = 0;
  std::function<void(int)> nest = [&](int level) {
    if (level == depth) {
      ++innermost;
      return;
    }
    coroutine next([&](coroutine& self) {
      nest(level + 1);
      self.suspend();
      nest(depth);
    });
    next.resume();
    next.resume();
    EXPECT_TRUE(next.done());
  };
  nest(0);
  EXPECT_EQ(innermost, depth + 1);
}

TEST(Context, HundredThousandSwitchesAmongManyInRandomOrder) {
  constexpr std::size_t count = 200;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  RecordProperty("seed", std::to_string(seed));
  bool stop = false;
  std::array<std::uint64_t, count> sums{};
  std::array<std::uint64_t, count> expected{};
  std::vector<std::unique_ptr<coroutine>> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(std::make_unique<coroutine>(
        [&stop, &sum = sums[i]](coroutine& self) {
          std::uint64_t local = 0;
          void* value = self.first_value();
          while (!stop) {
            local = local * 31 + as_number(value);
            value = self.suspend(as_pointer(local));
          }
          sum = local;
        },
        64 * 1024));
  }
  for (int n = 0; n < 100'000; ++n) {
    const std::size_t i = random() % count;
    const std::uintptr_t value = random() % 1000;
    expected[i] = expected[i] * 31 + value;
    ASSERT_EQ(as_number(all[i]->resume(as_pointer(value))), expected[i]) << "seed " << seed;
  }
  stop = true;
  for (auto& one : all) one->resume();
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(all[i]->done());
    EXPECT_EQ(sums[i], expected[i]) << "seed " << seed;
  }
}

#if defined(SENNIT_TEST_REGISTERS)
struct register_check {
  coroutine* self;
  std::array<std::uint64_t, kept_registers> in;
  std::array<std::uint64_t, kept_registers> out;

  explicit register_check(coroutine* at, std::uint64_t pattern) : self(at), in(), out() {
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = pattern + i;
  }
};

TEST(Context, EveryCalleeSavedRegisterSurvives) {
  coroutine other([](coroutine& self) {
    register_check check(&self, 0xaaaa'0000'bbbb'0000);
    const auto suspend = [](void* argument) { static_cast<register_check*>(argument)->self->suspend(); };
    sennit_test_with_registers(suspend, &check, check.in.data(), check.out.data());
    EXPECT_EQ(check.in, check.out);
  });
  for (std::uint64_t round = 0; round < 2; ++round) {
    register_check check(&other, 0x1111'0000'2222'0000 + round * 0x100);
    const auto resume = [](void* argument) { static_cast<register_check*>(argument)->self->resume(); };
    sennit_test_with_registers(resume, &check, check.in.data(), check.out.data());
    EXPECT_EQ(check.in, check.out);
  }
  EXPECT_TRUE(other.done());
}
#endif

/// Ten values live across each switch: more than the callee-saved registers of any ABI hold.
double live_doubles(double start, const std::function<void()>& hop_away) {
  std::array<double, 10> v{};
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = opaque(start + static_cast<double>(i));
  for (int round = 0; round < 100; ++round) {
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = v[i] * 0.5 + v[(i + 1) % v.size()];
    hop_away();
    for (std::size_t i = 0; i < v.size(); ++i) v[i] -= v[(i + 3) % v.size()] * 0.25;
  }
  double sum = 0;
  for (const double x : v) sum += x;
  return sum;
}

TEST(Context, DoublesLiveAcrossSwitches) {
  const auto nothing = [] {};
  double theirs = 0;
  coroutine other([&](coroutine& self) { theirs = live_doubles(1000.25, [&] { self.suspend(); }); });
  const double mine = live_doubles(3.5, [&] { other.resume(); });
  other.resume();
  EXPECT_TRUE(other.done());
  EXPECT_EQ(mine, live_doubles(3.5, nothing));
  EXPECT_EQ(theirs, live_doubles(1000.25, nothing));
}

TEST(Context, StackIsAlignedAtTheEntry) {
  // An aligned local is where movaps faults if the entry's sp is off by eight.
  coroutine other([](coroutine&) {
    alignas(16) float block[4] = {1, 2, 3, 4};
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(opaque(&block[0])) % 16, 0U);
#if defined(__x86_64__)
    float sum[4];
    asm volatile("movaps %1, %%xmm0\n\taddps %1, %%xmm0\n\tmovups %%xmm0, %0" : "=m"(sum) : "m"(block) : "xmm0");
    EXPECT_EQ(sum[3], 8);
#endif
  });
  other.resume();
  EXPECT_TRUE(other.done());

  static std::uintptr_t entry_frame;
  struct both {
    context mine;
    context other;
  } pair;
  const test_stack stack;
  make_context(
      pair.other, stack.limit(), stack.top(),
      [](void* transfer) -> last_switch {
        hop_arrived();
        entry_frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        auto& at = *static_cast<both*>(transfer);
        tsan_release(&hop_order);
        return {at.other, at.mine, transfer, *thread_exception_state()};
      },
      current_fp_env());
  EXPECT_EQ(hop(pair.mine, pair.other, &pair), &pair);
  EXPECT_EQ(entry_frame % 16, 0U);
  EXPECT_GT(entry_frame, reinterpret_cast<std::uintptr_t>(stack.limit()));
  EXPECT_LT(entry_frame, reinterpret_cast<std::uintptr_t>(stack.top()));
  destroy_context(pair.other);
}

[[gnu::noinline]] std::uint64_t recurse(coroutine& self, int depth) {  // NOLINT(misc-no-recursion)
  volatile char frame[1024];
  std::memset(const_cast<char*>(frame), depth, sizeof frame);
  if (depth == 0) {
    self.suspend();
    return 0;
  }
  const std::uint64_t below = recurse(self, depth - 1);
  return below + static_cast<unsigned char>(frame[depth % 1024]);
}

TEST(Context, DeepStacks) {
  constexpr int depth = 2000;  // 2 MiB and more of the 16
  std::uint64_t expected = 0;
  for (int i = 1; i <= depth; ++i) expected += static_cast<unsigned char>(i);
  std::vector<std::unique_ptr<coroutine>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(std::make_unique<coroutine>([&](coroutine& self) { EXPECT_EQ(recurse(self, depth), expected); },
                                              16 * 1024 * 1024));
  }
  for (int round = 0; round < 2; ++round) {
    for (auto& one : all) one->resume();
  }
  for (auto& one : all) EXPECT_TRUE(one->done());
}

TEST(Context, TheSameMemoryIsUsedAgainAndAgain) {
  int runs = 0;
  coroutine other([&](coroutine&) { ++runs; });
  other.resume();
  for (int i = 0; i < 2000; ++i) {
    // Left at changing depths, so that what one life leaves behind lies where the next one's frames go.
    other.restart([&, i](coroutine& self) {
      volatile char used[4096];
      std::memset(const_cast<char*>(used), i, 64 + static_cast<std::size_t>(i) * 2 % 4000);
      self.suspend();
      ++runs;
    });
    other.resume();
    other.resume();
    ASSERT_TRUE(other.done());
  }
  EXPECT_EQ(runs, 2001);
}

TEST(Context, AnAbandonedStackCanBeUsedAgain) {
  int reached = 0;
  coroutine other([&](coroutine& self) {
    volatile char deep[64 * 1024];
    std::memset(const_cast<char*>(deep), 1, sizeof deep);
    ++reached;
    self.suspend();
    ADD_FAILURE() << "an abandoned context ran on";
  });
  other.resume();
  other.restart([&](coroutine&) {
    volatile char deep[64 * 1024];
    std::memset(const_cast<char*>(deep), 2, sizeof deep);
    ++reached;
  });
  other.resume();
  EXPECT_TRUE(other.done());
  EXPECT_EQ(reached, 2);
}

TEST(Context, MovesBetweenThreads) {
  int steps = 0;
  std::vector<std::thread::id> seen;
  coroutine other([&](coroutine& self) {
    for (int i = 0; i < 20; ++i) {
      volatile char local[256];
      std::memset(const_cast<char*>(local), i, sizeof local);
      seen.push_back(std::this_thread::get_id());
      self.suspend();
      EXPECT_EQ(local[100], static_cast<char>(i));
      ++steps;
    }
  });
  while (!other.done()) {
    std::thread([&] {
      other.resume();
      if (!other.done()) other.resume();
    }).join();
  }
  EXPECT_EQ(steps, 20);
  EXPECT_EQ(seen.size(), 20U);
}

TEST(ContextDeathTest, ThrowingOutOfTheEntryTerminates) {
  EXPECT_DEATH(coroutine([](coroutine&) { throw std::runtime_error("out of the entry"); }).resume(),
               "out of the entry");
}

TEST(ContextDeathTest, MisalignedStackIsNamed) {
  const test_stack stack;
  context other;
  EXPECT_DEATH(make_context(
                   other, stack.limit(), stack.top() - 8, [](void*) -> last_switch { std::abort(); }, current_fp_env()),
               "16-byte aligned end of a stack");
}

}  // namespace
}  // namespace sennit::detail::test

// The conformance suite of context.hpp, fourth part: who walks the stack of a context finds its end.
#include <execinfo.h>
#include <gtest/gtest.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "context/harness.hpp"

namespace sennit::detail::test {
namespace {

constexpr std::size_t too_many = 256;

struct walk_result {
  std::vector<std::uintptr_t> frames;
  _Unwind_Reason_Code end;
};

[[gnu::noinline]] walk_result walk() {
  walk_result result{{}, _URC_NO_REASON};
  result.frames.reserve(too_many);
  result.end = _Unwind_Backtrace(
      [](_Unwind_Context* at, void* to) {
        auto& frames = static_cast<walk_result*>(to)->frames;
        // libgcc reports the end itself as a last frame without an address.
        if (const auto ip = _Unwind_GetIP(at); ip != 0) frames.push_back(ip);
        return frames.size() < too_many ? _URC_NO_REASON : _URC_NORMAL_STOP;
      },
      &result);
  return result;
}

[[gnu::noinline]] std::size_t glibc_walk() {
  std::array<void*, too_many> frames;
  return static_cast<std::size_t>(::backtrace(frames.data(), static_cast<int>(frames.size())));
}

/// Calls f with `depth` frames of its own in between.
template <class F>
[[gnu::noinline]] auto at_depth(int depth, F f) -> decltype(f()) {  // NOLINT(misc-no-recursion)
  if (depth == 0) return f();
  auto result = at_depth(depth - 1, f);
  asm volatile("" ::: "memory");  // not a tail call
  return result;
}

TEST(ContextUnwind, BacktraceEndsAtTheEntry) {
  const walk_result outside = walk();
  walk_result shallow;
  walk_result deep;
  coroutine other([&](coroutine& self) {
    shallow = at_depth(1, walk);
    self.suspend();
    deep = at_depth(41, walk);
  });
  other.resume();
  other.resume();
  EXPECT_EQ(shallow.end, _URC_END_OF_STACK);
  EXPECT_EQ(deep.end, _URC_END_OF_STACK);
  ASSERT_GE(shallow.frames.size(), 4U);
  EXPECT_EQ(deep.frames.size(), shallow.frames.size() + 40);
  // The outermost frames are the entry's, whatever lies on top: none is the thread's.
  EXPECT_EQ(deep.frames.back(), shallow.frames.back());
  EXPECT_NE(deep.frames.back(), outside.frames.back());
}

TEST(ContextUnwind, GlibcBacktraceEndsAtTheEntry) {
  std::size_t shallow = 0;
  std::size_t deep = 0;
  coroutine other([&](coroutine& self) {
    shallow = at_depth(1, glibc_walk);
    self.suspend();
    deep = at_depth(41, glibc_walk);
  });
  // From far down the thread's stack: were the walk to cross over, it would find these frames.
  at_depth(100, [&] {
    other.resume();
    return 0;
  });
  other.resume();
  ASSERT_GE(shallow, 4U);
  EXPECT_LT(shallow, 30U);
  EXPECT_EQ(deep, shallow + 40);
}

TEST(ContextUnwind, ASuspendedStackIsWalkedFromAnother) {
  walk_result inside;
  coroutine other([&](coroutine& self) {
    at_depth(20, [&] {
      inside = walk();
      self.suspend();
      return 0;
    });
  });
  other.resume();
  std::array<const void*, too_many> outside{};
  const std::size_t count = walk_suspended(other.suspended(), outside);
  if (std::string_view(context_name) == "boost") {
    EXPECT_EQ(count, 0U);
    other.resume();
    return;
  }
  // All but walk() itself and the line after it, which is another one by now.
  EXPECT_GE(inside.frames.size(), 22U);
  EXPECT_GE(count, inside.frames.size() - 2);
  for (std::size_t i = 1; i <= std::min(count, inside.frames.size() - 2); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(outside[count - i]), inside.frames[inside.frames.size() - i]) << i;
  }
  const std::span few = std::span(outside).first(3);
  const std::vector<const void*> begin(few.begin(), few.end());
  EXPECT_EQ(walk_suspended(other.suspended(), few), 3U);
  EXPECT_TRUE(std::ranges::equal(begin, few)) << "a walk changes nothing";
  EXPECT_EQ(walk_suspended(other.suspended(), {}), 0U);
  other.resume();
}

TEST(ContextUnwind, AnExceptionCrossesManyFrames) {
  int destroyed = 0;
  struct counts {
    int& count;
    ~counts() { ++count; }
  };
  coroutine other([&](coroutine&) {
    try {
      at_depth(20, [&]() -> int {
        const counts guard{destroyed};
        if (opaque(1) == 1) throw 1;
        return 0;
      });
    } catch (int) {
      ++destroyed;
    }
  });
  other.resume();
  EXPECT_EQ(destroyed, 2);
}

}  // namespace
}  // namespace sennit::detail::test

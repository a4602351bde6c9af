// TSan lane only: a switch must not order what two contexts of one thread do, or races between fibers stay unseen.
#include <gtest/gtest.h>

#include <cstdint>

#include "context/harness.hpp"

namespace sennit::detail::test {
namespace {

int shared;

struct two_contexts {
  context mine;
  context other;
};

void race(bool ordered) {
  const test_stack stack;
  two_contexts pair;
  static bool order_them;
  order_them = ordered;
  make_context(
      pair.other, stack.limit(), stack.top(),
      [](void* transfer) -> last_switch {
        auto& at = *static_cast<two_contexts*>(transfer);
        if (order_them) tsan_acquire(&at);
        ++shared;
        if (order_them) tsan_release(&at);
        return {at.other, at.mine, nullptr, *thread_exception_state()};
      },
      current_fp_env());
  ++shared;  // unknown to the other context unless a release says so
  if (ordered) tsan_release(&pair);
  switch_context(pair.mine, pair.other, &pair, *thread_exception_state());
  if (ordered) tsan_acquire(&pair);
  ++shared;
  destroy_context(pair.other);
}

TEST(ContextTsanDeathTest, ARaceBetweenTwoContextsOfOneThreadIsReported) { EXPECT_DEATH(race(false), "data race"); }

TEST(ContextTsan, AStackIsOrderedFromOneLifeToTheNext) {
  // Nothing but the stack connects the two: no release, no acquire.
  const test_stack stack;
  two_contexts pair;
  const auto uses_its_stack = [](void* transfer) -> last_switch {
    volatile int frame[1000];
    for (int i = 0; i < 1000; ++i) frame[i] = i;
    auto& at = *static_cast<two_contexts*>(transfer);
    return {at.other, at.mine, reinterpret_cast<void*>(std::uintptr_t{1} + static_cast<unsigned>(frame[999])),
            *thread_exception_state()};
  };
  for (int life = 0; life < 3; ++life) {
    make_context(pair.other, stack.limit(), stack.top(), uses_its_stack, current_fp_env());
    EXPECT_NE(switch_context(pair.mine, pair.other, &pair, *thread_exception_state()), nullptr);
    destroy_context(pair.other);
  }
}

TEST(ContextTsan, AnOrderedHandOverIsNoRace) {
  shared = 0;
  race(true);
  EXPECT_EQ(shared, 3);
}

}  // namespace
}  // namespace sennit::detail::test

// ASan lane only: what only a suspended stack points to is no leak, until its context is destroyed.
#include <gtest/gtest.h>
#include <sanitizer/lsan_interface.h>

#include <cstdint>
#include <cstdlib>

#include "context/harness.hpp"

namespace sennit::detail::test {
namespace {

struct two_contexts {
  context mine;
  context other;
  std::uintptr_t disguised = 0;
};

// Not instrumented: its frame is then on the stack itself, not in the memory by which ASan finds uses after return.
__attribute__((no_sanitize("address"))) last_switch keeps_the_only_pointer(void* transfer) {
  auto& at = *static_cast<two_contexts*>(transfer);
  void* volatile kept = std::malloc(100);  // NOLINT: the point is that nobody owns it
  at.disguised = ~reinterpret_cast<std::uintptr_t>(kept);
  switch_context(at.other, at.mine, kept, *thread_exception_state());
  std::abort();
}

TEST(ContextLeak, MemoryThatOnlyASuspendedStackHoldsIsNone) {
  const test_stack stack;
  two_contexts pair;
  make_context(pair.other, stack.limit(), stack.top(), keeps_the_only_pointer, current_fp_env());
  switch_context(pair.mine, pair.other, &pair, *thread_exception_state());
  EXPECT_EQ(__lsan_do_recoverable_leak_check(), 0);
  destroy_context(pair.other);
  EXPECT_NE(__lsan_do_recoverable_leak_check(), 0) << "the check sees nothing here";
  std::free(reinterpret_cast<void*>(~pair.disguised));
}

}  // namespace
}  // namespace sennit::detail::test

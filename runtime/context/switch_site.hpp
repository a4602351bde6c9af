#pragma once
// What both implementations do around the one call that changes stacks. Private to context_asm.cpp and
// context_boost.cpp. All of it is always inlined and not instrumented: between the first and the last line of a switch,
// the sanitizers' idea of the current stack and the machine's differ.
#include "base/check.hpp"
#include "context/context.hpp"

#if SENNIT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

// Nor by the marks of begin and end that clang keeps in spite of no_sanitize: a function whose end is in another
// context than its begin would take a frame from the wrong one for TSan.
#if defined(__clang__)
#define SENNIT_SWITCH_CODE \
  __attribute__((no_sanitize("address"), no_sanitize("thread"), disable_sanitizer_instrumentation))
#else
#define SENNIT_SWITCH_CODE __attribute__((no_sanitize("address"), no_sanitize("thread")))
#endif
#define SENNIT_SWITCH_INLINE __attribute__((always_inline)) SENNIT_SWITCH_CODE inline

namespace sennit::inline v0::detail {

/// Before the change of stacks. The exception words go first: `live` belongs to the thread, which stays the same until
/// the change; after it this stack may be resumed by another thread, whose words these would not be.
SENNIT_SWITCH_INLINE void leave(context& from, context& to, exception_state& live, [[maybe_unused]] bool final) {
  from.exceptions = live;
  live = to.exceptions;
#if SENNIT_ASAN
  __sanitizer_start_switch_fiber(final ? nullptr : &from.fake_stack, to.stack_bottom, to.stack_bytes);
#endif
#if SENNIT_TSAN
  if (final && from.tsan_stack != nullptr) __tsan_release(from.tsan_stack);
  from.tsan_fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan_fiber, __tsan_switch_to_fiber_no_sync);
#endif
}

/// After it, on the stack that was reached: `self` was suspended here before, or is null at the start of a new context.
/// ASan's bookkeeping is told whose stack was left: only here is the size of a thread's own stack known.
SENNIT_SWITCH_INLINE void arrive([[maybe_unused]] context* self, [[maybe_unused]] context& left) {
#if SENNIT_ASAN
  __sanitizer_finish_switch_fiber(self == nullptr ? nullptr : self->fake_stack, &left.stack_bottom, &left.stack_bytes);
#endif
}

/// make_context() but for the first frame, which `first_frame` writes; it returns what `sp` is to be.
template <class F>
SENNIT_SWITCH_INLINE void make_clean(context& into, void* limit, void* top, F first_frame) {
  SENNIT_CHECK(reinterpret_cast<std::uintptr_t>(top) % 16 == 0 && limit < top,
               "pass make_context() the lowest address and the 16-byte aligned end of a stack");
  into.exceptions = {};
#if SENNIT_ASAN
  destroy_context(into);
  into.fake_stack = nullptr;
  into.stack_bottom = limit;
  into.stack_bytes = static_cast<std::size_t>(static_cast<char*>(top) - static_cast<char*>(limit));
  // Frames that ran here before and never returned have left their red zones behind.
  __asan_unpoison_memory_region(limit, into.stack_bytes);
  // LSan scans the stacks of threads only. Above the guard, which it could not read.
  __lsan_register_root_region(limit, into.stack_bytes);
  into.is_leak_root = true;
#endif
  into.sp = first_frame();
#if SENNIT_TSAN
  destroy_context(into);
  into.tsan_fiber = __tsan_create_fiber(0);
  into.tsan_stack = limit;
  // The frames of the last context on this stack come before those of the new one, and this one only: were the caller
  // to acquire it too, whatever it does next would seem ordered after a fiber that it has nothing to do with.
  void* const caller = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(into.tsan_fiber, __tsan_switch_to_fiber_no_sync);
  __tsan_acquire(limit);
  __tsan_switch_to_fiber(caller, __tsan_switch_to_fiber_no_sync);
#endif
}

#if SENNIT_FP_ENV
/// Boost.Context neither keeps FPCR on arm64 nor lets a new context start with other control words than its maker's.
void install_fp_env(fp_env fp) noexcept;
#else
inline void install_fp_env(fp_env) noexcept {}
#endif

}  // namespace sennit::inline v0::detail

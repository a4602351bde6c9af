#pragma once
// Contract of a context switch. Two implementations pass one conformance suite: context_asm.cpp (asm/, the default) and
// context_boost.cpp (Boost.Context fcontext). The build selects the file; nothing else knows which one is in.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/sanitizer.hpp"

#if SENNIT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace sennit::inline v0::detail {

/// The two words behind __cxa_get_globals() (Itanium C++ ABI 2.2.2): the stack of caught exceptions and the count of
/// uncaught ones. Per thread for the language, per fiber for us: switch_context() swaps them.
struct exception_state {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

/// This thread's live exception state. Never inlined: the function below it is declared const, and a compiler may
/// otherwise reuse another thread's address after a switch.
[[gnu::noinline]] exception_state* thread_exception_state() noexcept;

/// Floating-point control state (x86-64: MXCSR low, x87 control word high; arm64: FPCR). A fiber starts with its
/// spawner's: captured at spawn, installed at the first switch. With SENNIT_FP_ENV=OFF neither.
struct fp_env {
  std::uint64_t bits;
};
fp_env current_fp_env() noexcept;

/// A suspended execution. Owned by whoever switches: written by the switch away from it, read by the switch to it.
struct context {
  void* sp = nullptr;
  exception_state exceptions;
#if SENNIT_ASAN
  void* fake_stack = nullptr;
  const void* stack_bottom = nullptr;  // lowest address; for a thread's own stack learnt at the first switch away
  std::size_t stack_bytes = 0;
  bool is_leak_root = false;  // what only this stack points to is no leak
  void* transfer = nullptr;   // of the last switch away
#endif
#if SENNIT_TSAN
  void* tsan_fiber = nullptr;
  void* tsan_stack = nullptr;  // names the stack: its next life comes after the end of this one
#endif
};

/// How a context ends: who goes on instead, as switch_context() would be told. `from` is never resumed; like its stack,
/// it must live until `to` runs.
struct last_switch {
  context& from;
  context& to;
  void* transfer;
  exception_state& live;
};

/// Entry of a new context. `transfer` is what the first switch to it handed over. Must not throw. It ends by a return,
/// not by a call that never does: then calls and returns are even again for the return-address predictor, and those of
/// whoever goes on are predicted (Zen 4: spawn and join 0.8 of the time).
using context_entry = last_switch (*)(void* transfer);

/// Prepares `into` to run entry on the stack [limit, top). `top` must be 16-byte aligned. Reuses `into` whatever ran
/// there before: exception words, sanitizer state and FP environment start clean. Not for a context that stands for a
/// thread's own stack.
void make_context(context& into, void* limit, void* top, context_entry entry, fp_env fp) noexcept;

/// Releases what the sanitizers hold for a context that will never run again. Call it from another stack.
void destroy_context(context& dead) noexcept;

/// Suspends the caller in `from` and resumes `to`, which sees `transfer` as its result (or entry argument). Returns
/// what the switch back hands over. `live` is thread_exception_state() of the calling thread, cached by the caller so
/// that no thread_local is read here. But for the ends of contexts this is the only switch site of the project. TSan
/// sees contexts as unordered: see tsan_release().
[[gnu::noinline]] void* switch_context(context& from, context& to, void* transfer, exception_state& live) noexcept;

/// The return addresses on the stack of `suspended`, innermost first: how many of them `into` has. Nothing is written
/// to that stack, and nobody may resume it meanwhile. Any thread. None with Boost.Context, which does not tell how it
/// saves.
std::size_t walk_suspended(const context& suspended, std::span<const void*> into) noexcept;

/// Fetches what a switch to `to`, and the return from it, will touch: worth it for a context that was left long ago.
inline void prefetch_context(const context& to) noexcept {
  for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(static_cast<const std::byte*>(to.sp) + line * 64);
}

/// A switch orders nothing for TSan, so that it reports races between contexts of one thread. Whoever hands work from
/// one context to another in a defined order says so: tsan_release(x) before, tsan_acquire(x) after.
inline void tsan_release([[maybe_unused]] void* x) noexcept {
#if SENNIT_TSAN
  __tsan_release(x);
#endif
}
inline void tsan_acquire([[maybe_unused]] void* x) noexcept {
#if SENNIT_TSAN
  __tsan_acquire(x);
#endif
}

/// "asm x86-64 sysv", "asm arm64 aapcs" or "boost": for the build's status line, logs and tests.
extern const char* const context_name;

}  // namespace sennit::inline v0::detail

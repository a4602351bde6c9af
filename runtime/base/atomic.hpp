#pragma once
// Atomics for runtime/: the type itself, the StoreLoad fence and a pause for spin loops.
#include <sennit/detail/atomic.hpp>

#include "base/sanitizer.hpp"

namespace sennit::inline v0::detail {

/// Orders every earlier store of this thread before every later load (Dekker). TSan does not model fences, so its lane
/// uses a seq_cst read-modify-write on one shared word, which both sides of a Dekker then order through.
inline void storeload_fence() noexcept {
#if SENNIT_TSAN
  static constinit atomic<int> word{0};
  word.fetch_add(1, seq_cst);  // mm:fence
#else
  jitter_point();
  std::atomic_thread_fence(std::memory_order_seq_cst);  // mm:fence
#endif
}

/// One iteration of a spin-wait: tells the core that another one must make progress.
inline void cpu_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // as Rust's spin_loop: yield is a no-op on most cores
#else
  asm volatile("" ::: "memory");
#endif
}

}  // namespace sennit::inline v0::detail

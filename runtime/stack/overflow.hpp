#pragma once
// Stack overflow: a fault in a stack's guard is reported with the fiber's name, then given to whoever had the signal
// before, so that the process ends, or dumps core, as it would have.
#include <cstddef>
#include <cstdint>

#include "stack/stack.hpp"

namespace sennit::inline v0::detail {

/// What a fault address has hit.
struct overflow_info {
  stack hit;                   // empty: no stack's guard
  const char* name = nullptr;  // the fiber's, or null if it is not known
  std::uint64_t id = 0;
};

/// Tells whose guard `fault_address` lies in. Runs inside a signal handler: async-signal-safe, and it may not fault.
using overflow_lookup = overflow_info (*)(const void* fault_address) noexcept;

/// Knows stacks, but no fibers: looks the address up in the arenas.
[[nodiscard]] overflow_info find_overflow(const void* fault_address) noexcept;

/// Floor 4 installs one that knows the fibers; null brings find_overflow back. Any thread.
void set_overflow_lookup(overflow_lookup lookup) noexcept;

/// Handles SIGSEGV and SIGBUS from now on, for the rest of the process: a handler that came later may have kept ours as
/// the one to call next, so it is never taken away. Any thread; once is enough, more calls do nothing.
void install_overflow_handler();

/// An alternate signal stack for the thread that made it, which must also destroy it: a handler cannot run on the stack
/// that has just overflowed. One per thread that runs fibers. What was there before comes back in the end.
class alt_stack {
 public:
  /// Throws std::system_error if there is no memory.
  alt_stack();
  alt_stack(const alt_stack&) = delete;
  alt_stack& operator=(const alt_stack&) = delete;
  ~alt_stack();

 private:
  std::byte* mapping_;
  std::size_t bytes_;
  void* former_base_;
  std::size_t former_bytes_;
  int former_flags_;
};

}  // namespace sennit::inline v0::detail

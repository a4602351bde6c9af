#pragma once
// The kernel's compare-and-sleep, for plain threads that wait: the one place that knows futex(2).
#include <cstdint>

#include "base/time.hpp"

namespace sennit::inline v0::detail {

/// Sleeps while the 32-bit word at `address` equals `expected`, until woken or `deadline`. May return early: re-check.
void futex_wait(const void* address, std::uint32_t expected, nanos deadline) noexcept;

/// Wakes at most `count` threads. The memory at `address` may be gone already: the kernel only compares addresses.
void futex_wake(const void* address, int count) noexcept;

}  // namespace sennit::inline v0::detail

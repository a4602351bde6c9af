#pragma once
// The stack of a fiber that runs, seen from another thread: a signal interrupts its worker, and the handler walks it.
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/atomic.hpp"

namespace sennit::inline v0::detail {

class worker;

/// Ignored unless somebody asks for it: a thread that has no handler for it does not notice a stray one.
inline constexpr int probe_signal = SIGURG;

/// A question to one worker, on the stack of who asks.
struct stack_probe {
  std::uint64_t id = 0;  // of the fiber
  std::array<const void*, 64> frames{};
  std::size_t count = 0;
  atomic<std::uint32_t> answered{0};  // futex
};

/// What was found. Without frames if no fiber ran there, or an exception was on its way up its stack.
struct probed_stack {
  std::uint64_t id = 0;
  std::vector<const void*> frames;  // as return addresses, innermost first
};

/// In a handler of another signal, on w's thread, that does not let go: if somebody asks, the answer is the stack from
/// the interrupted place `from` on.
void answer_probe(worker& w, std::uintptr_t from) noexcept;

/// Interrupts `w`, whose thread must stay. System calls that SA_RESTART does not begin again fail there with EINTR.
/// Nothing is found if the worker does not come to its handler within 20 ms, which the program may have replaced, or if
/// somebody else asks it just now. Any thread, also w's own. Throws bad_alloc.
[[nodiscard]] probed_stack probe_stack(worker& w);

}  // namespace sennit::inline v0::detail

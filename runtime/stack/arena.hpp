#pragma once
// Arenas: the mappings that stacks are cut from.
#include <cstddef>
#include <span>
#include <system_error>
#include <vector>

#include "stack/guard.hpp"
#include "stack/stack.hpp"

namespace sennit::inline v0::detail {

/// Arenas are as long as they are aligned, so that an address tells its arena.
inline constexpr std::size_t arena_bytes = std::size_t{64} << 20;

/// Where the first slot begins. Slots of 8 MiB are shifted by 1 MiB: the top of one stack and the guard of the next
/// then share a page table, which is 4.7 KiB per stack instead of 8.2.
[[nodiscard]] constexpr std::size_t first_slot(stack_class cls) noexcept {
  return cls == stack_class::huge ? std::size_t{1} << 20 : 0;
}
[[nodiscard]] constexpr std::size_t slots_per_arena(stack_class cls) noexcept {
  return (arena_bytes - first_slot(cls)) / slot_bytes[index_of(cls)];
}

/// One mapping, cut in slots of one class. Owned by a stack_pool and touched under its lock.
class arena {
 public:
  arena() noexcept = default;
  /// Unmaps. No stack of it may be running.
  ~arena();
  arena(arena&& from) noexcept;
  arena& operator=(arena&& from) noexcept;

  /// Reserves address space, finds out which guards work in it, and makes it known to find_stack().
  static std::error_code map(stack_class cls, guard_kind wanted, arena& out) noexcept;

  /// Hands out slots that were never handed out before, guarded; fewer than `out` holds when it runs out of slots or
  /// with an error. `made` says how many; what failed may be tried again.
  std::error_code carve(std::span<std::byte*> out, std::size_t& made) noexcept;

  [[nodiscard]] std::size_t left() const noexcept { return base_ == nullptr ? 0 : slots_per_arena(cls_) - carved_; }
  [[nodiscard]] guard_kind guards() const noexcept { return guards_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t carved_ = 0;
  stack_class cls_ = stack_class::normal;
  guard_kind guards_ = guard_kind::automatic;
  std::vector<unsigned> valgrind_ids_;  // of the carved stacks; without valgrind none
};

/// The stack whose slot, guard included, holds `address`; an empty one if no arena does. Async-signal-safe, any thread;
/// the answer holds as long as the arena's pool lives.
[[nodiscard]] stack find_stack(const void* address) noexcept;

}  // namespace sennit::inline v0::detail

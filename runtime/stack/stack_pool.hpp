#pragma once
// Where a runtime's stacks come from and go back to.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <system_error>
#include <vector>

#include "base/random.hpp"
#include "stack/arena.hpp"
#include "stack/guard.hpp"
#include "stack/stack.hpp"

namespace sennit::inline v0::detail {

struct stack_pool_options {
  guard_kind guards = guard_kind::automatic;
  /// Memory that unused stacks in the pool may keep. What comes back above it is given to the kernel, at 0.7 us a stack
  /// and 1.3 us for the page fault when it is used again; 64 MiB keep 16 000 shallow stacks warm.
  std::size_t resident_budget = std::size_t{64} << 20;
  /// Only give_back() gives anything back: who calls it knows the time.
  bool lazy = false;
  /// Stacks of all classes that the pool ever makes.
  std::size_t max_stacks = std::numeric_limits<std::size_t>::max();
};

/// A snapshot. A stack that lies in a worker's stack_cache counts as in use.
struct stack_stats {
  std::size_t in_use = 0;
  std::size_t high_water = 0;    // of in_use
  std::size_t cached = 0;        // in the pool, ready to be taken
  std::size_t cached_bytes = 0;  // about so much memory is held by them, at most
  std::size_t arenas = 0;
  std::uint64_t trims = 0;  // stacks whose memory was given back so far
};

/// The central store of one runtime. Any thread; its lock is held for copying pointers, for guarding new stacks (0.5 us
/// each) and now and then for looking how deep some old ones were used. Fibers get their stacks through a stack_cache.
class stack_pool {
 public:
  explicit stack_pool(stack_pool_options options = {}) noexcept : options_(options) {}
  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;
  /// Unmaps all stacks, those in use too: they must not run again.
  ~stack_pool() = default;

  /// One guarded stack. An error leaves `out` alone; it may go away when a stack is released.
  std::error_code allocate(stack_class cls, stack& out) noexcept;
  /// Up to slots.size() of them: recently used ones first, so slots[made - 1] is the coldest. An error only if none.
  std::error_code allocate(stack_class cls, std::span<std::byte*> slots, std::size_t& made) noexcept;

  /// Takes a stack back, which nobody may be running on any more.
  void release(stack s) noexcept;
  /// The same for many of one class; the last is the first to be handed out again.
  void release(stack_class cls, std::span<std::byte* const> slots) noexcept;

  /// Gives back what is above the budget and has lain here since the last call that returned false. True: that was not
  /// all, since a call takes a millisecond at most. One thread at a time.
  bool give_back() noexcept;
  /// Whether there may be work for give_back().
  [[nodiscard]] bool above_budget() const noexcept;

  [[nodiscard]] stack_stats stats() const;
  /// How stacks of this class are guarded here; automatic as long as there are none.
  [[nodiscard]] guard_kind guards(stack_class cls) const;

 private:
  using lock = std::lock_guard<std::mutex>;

  struct warm_slot {
    std::byte* slot;
    std::size_t bytes;  // as measured or estimated, before that all of it
  };
  struct shelf {
    std::vector<arena> arenas;    // only the last has slots left
    std::vector<warm_slot> warm;  // may hold memory; the first `measured` count as much as they hold
    std::vector<std::byte*> cold;
    std::size_t measured = 0;
    std::size_t untouched = 0;  // so many of the first were here at the last end of give_back()
    std::size_t typical = 0;    // bytes that those looked at held, the latest weighing most
  };

  std::error_code grow(stack_class cls, shelf& from, const lock&) noexcept;
  void put_warm(stack_class cls, std::span<std::byte* const> slots, const lock&) noexcept;
  std::byte* pop_warm(shelf& from, const lock&) noexcept;
  bool measure(const lock&, std::size_t most) noexcept;  // false: there are more of them
  void give_back(stack_class cls, std::span<std::byte* const> slots) noexcept;

  const stack_pool_options options_;
  mutable std::mutex mutex_;
  std::array<shelf, stack_classes> shelves_;
  std::size_t made_ = 0;        // slots carved from arenas
  std::size_t warm_bytes_ = 0;  // sum over all warm slots; at most the budget whenever the lock is free
  random_source random_{1};     // picks the sample: no pattern of use can hide from it
  stack_stats stats_;
};

}  // namespace sennit::inline v0::detail

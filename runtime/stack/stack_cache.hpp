#pragma once
// A worker's own stacks, so that spawning takes no lock and the stack is warm from the fiber that just ended.
#include <array>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "stack/stack.hpp"

namespace sennit::inline v0::detail {

class stack_pool;

/// How many stacks of each class a cache keeps at most, half of which move at a time. 32 at once make the pool's lock
/// and the system calls cheap per stack; of the larger classes fewer, since each may hold megabytes.
inline constexpr std::array<std::uint32_t, stack_classes> stack_cache_capacity{64, 64, 16, 4};

/// Owned by one worker, touched by its thread only. Last in, first out.
class stack_cache {
 public:
  /// The pool must outlive the cache.
  explicit stack_cache(stack_pool& pool) noexcept : pool_(&pool) {}
  stack_cache(const stack_cache&) = delete;
  stack_cache& operator=(const stack_cache&) = delete;
  ~stack_cache() { flush(); }

  /// A guarded stack; an empty one and the reason in `why`, which is else left alone.
  [[nodiscard]] stack take(stack_class cls, std::error_code& why) noexcept {
    bin& from = bins_[index_of(cls)];
    if (from.count == 0 && !refill(cls, why)) [[unlikely]]
      return {};
    return {from.slots[--from.count], cls};
  }

  /// The stack must have been left: the next take() hands it out.
  void put(stack s) noexcept {
    bin& to = bins_[index_of(s.cls)];
    if (to.count == stack_cache_capacity[index_of(s.cls)]) [[unlikely]]
      spill(s.cls);
    to.slots[to.count++] = s.slot;
  }

  /// Gives everything to the pool, for other workers to take.
  void flush() noexcept;

 private:
  struct bin {
    std::uint32_t count = 0;
    std::array<std::byte*, stack_cache_capacity.front()> slots;
  };

  bool refill(stack_class cls, std::error_code& why) noexcept;
  void spill(stack_class cls) noexcept;

  stack_pool* pool_;
  std::array<bin, stack_classes> bins_;
};

}  // namespace sennit::inline v0::detail

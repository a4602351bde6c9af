#pragma once
// Who owns which slot of the local_maps.
#include <cstdint>
#include <vector>

#include <sennit/detail/local_value.hpp>
#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"

namespace sennit::inline v0::detail {

/// One per process, never destroyed: a fiber_local may be made before main() and destroyed after it. Any thread.
class local_registry {
 public:
  static local_registry& of_process();

  /// A free index, the one freed last if there is one, with a new id. May throw std::bad_alloc.
  local_slot add();
  void remove(const local_slot& slot) noexcept;
  [[nodiscard]] bool contains(const local_slot& slot) noexcept;
  /// Changes with every remove().
  [[nodiscard]] std::uint64_t removals() const noexcept { return removals_.load(relaxed); }  // mm:local-removals

 private:
  struct entry {
    std::uint64_t id = 0;  // 0: free
    std::uint32_t next_free = 0;
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  spin_lock lock_;
  std::vector<entry> entries_ SENNIT_GUARDED_BY(lock_);
  std::uint32_t first_free_ SENNIT_GUARDED_BY(lock_) = none;
  std::uint64_t last_id_ SENNIT_GUARDED_BY(lock_) = 0;
  atomic<std::uint64_t> removals_{0};
};

}  // namespace sennit::inline v0::detail

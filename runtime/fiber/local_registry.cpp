#include "fiber/local_registry.hpp"

namespace sennit::inline v0::detail {

local_registry& local_registry::of_process() {
  static local_registry& all = *new local_registry;
  return all;
}

local_slot local_registry::add() {
  const spin_guard guard(lock_);
  std::uint32_t index = first_free_;
  if (index != none) {
    first_free_ = entries_[index].next_free;
  } else {
    index = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  entries_[index].id = ++last_id_;
  return {.id = last_id_, .index = index};
}

void local_registry::remove(const local_slot& slot) noexcept {
  const spin_guard guard(lock_);
  entries_[slot.index] = {.id = 0, .next_free = first_free_};
  first_free_ = slot.index;
  removals_.fetch_add(1, relaxed);  // mm:local-removals: under the lock, which contains() takes
}

bool local_registry::contains(const local_slot& slot) noexcept {
  const spin_guard guard(lock_);
  return entries_[slot.index].id == slot.id;
}

}  // namespace sennit::inline v0::detail

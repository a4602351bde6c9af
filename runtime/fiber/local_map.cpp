#include "fiber/local_map.hpp"

#include <algorithm>
#include <bit>

#include "base/check.hpp"
#include "fiber/local_registry.hpp"

namespace sennit::inline v0::detail {

void local_map::grow(std::uint32_t index) {
  const std::uint32_t size = std::max(smallest_table, std::bit_ceil(index + 1));
  auto larger = std::make_unique<local_node*[]>(size);
  std::copy_n(table_.get(), size_, larger.get());
  table_ = std::move(larger);
  size_ = size;
}

void local_map::insert(std::unique_ptr<local_node> made) {
  SENNIT_CHECK(find(made->slot_) == nullptr, "the initialiser of a fiber_local must not use that same fiber_local");
  SENNIT_CHECK(making_depth_ <= most_depth, "destructors of fiber_local values must not go on making new ones");
  if (made->slot_.index >= size_) grow(made->slot_.index);
  local_node* const node = made.release();
  table_[node->slot_.index] = node;
  node->depth_ = making_depth_;
  node->older_ = newest_;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = node;
  newest_ = node;
  if (node->inherited_) ++inherited_;
}

void local_map::unlink(local_node& node) noexcept {
  SENNIT_CHECK(copying_ == 0, "a value that children inherit must not reset fiber_locals while it is copied");
  // The index may have a new owner, whose value hides this one.
  if (table_[node.slot_.index] == &node) table_[node.slot_.index] = nullptr;
  (node.older_ != nullptr ? node.older_->newer_ : oldest_) = node.newer_;
  (node.newer_ != nullptr ? node.newer_->older_ : newest_) = node.older_;
  if (node.inherited_) --inherited_;
}

void local_map::remove(const local_slot& slot) noexcept {
  local_node* const node = find(slot);
  if (node == nullptr) return;
  unlink(*node);
  delete node;
}

void local_map::clear() noexcept {
  while (local_node* const node = newest_) {
    making_depth_ = node->depth_ + 1;  // NOLINT(clang-analyzer-cplusplus.NewDelete): unlink() takes what is freed out
    unlink(*node);
    delete node;
  }
  making_depth_ = 0;
}

void local_map::disinherit_ended() noexcept {
  local_registry& registry = local_registry::of_process();
  const std::uint64_t removals = registry.removals();
  if (removals == removals_seen_) return;
  removals_seen_ = removals;
  // Else a family that makes fiber_locals for a while would hand their values down for ever.
  for (local_node* n = oldest_; n != nullptr; n = n->newer_) {
    if (!n->inherited_ || registry.contains(n->slot_)) continue;
    n->inherited_ = false;
    --inherited_;
  }
}

std::unique_ptr<local_map> local_map::copy_for_child() {
  if (inherited_ == 0) return nullptr;
  disinherit_ended();
  if (inherited_ == 0) return nullptr;
  auto child = std::make_unique<local_map>();
  const struct walk {
    unsigned& depth;
    explicit walk(unsigned& d) noexcept : depth(d) { ++depth; }
    ~walk() { --depth; }
  } guard(copying_);
  for (const local_node* n = oldest_; n != nullptr; n = n->newer_) {
    if (n->inherited_) child->insert(n->copy());
  }
  return child;
}

}  // namespace sennit::inline v0::detail

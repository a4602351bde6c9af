#pragma once
// An intrusive heap of deadlines: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986). Adding is O(1); removing
// is O(1) for what is not the earliest, O(log n) amortised else.
#include "fiber/timer_node.hpp"

namespace sennit::inline v0::detail {

/// Guarded by whoever owns it.
class pairing_heap {
 public:
  /// The earliest; nullptr if none.
  [[nodiscard]] timer_node* top() const noexcept { return root_; }

  void insert(timer_node& node) noexcept {
    node.child = node.next = node.prev = nullptr;
    root_ = root_ == nullptr ? &node : meld(root_, &node);
  }
  /// Unlinks `node`, which is in this heap.
  void remove(timer_node& node) noexcept;

 private:
  static timer_node* meld(timer_node* a, timer_node* b) noexcept;
  static timer_node* merge_pairs(timer_node* first) noexcept;

  timer_node* root_ = nullptr;
};

}  // namespace sennit::inline v0::detail

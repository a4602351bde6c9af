#pragma once
// Deadlines of parked fibers: an intrusive pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986). Arming is O(1) and
// never allocates, so it cannot fail in a post-switch hook; removing is O(1) for what is not the earliest, O(log n)
// amortised else.
#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"
#include "fiber/timer_node.hpp"

namespace sennit::inline v0::detail {

/// One per worker. Any thread under the lock: the worker arms, whoever woke the fiber first or polls in the worker's
/// place removes.
class timer_queue {
 public:
  spin_lock lock;

  void insert(timer_node& node) noexcept SENNIT_REQUIRES(lock) {
    node.child = node.next = node.prev = nullptr;
    root_ = root_ == nullptr ? &node : meld(root_, &node);
    count(1);
    publish();
  }
  /// Unlinks `node` if it is armed here; false if it has expired already.
  bool remove(timer_node& node) noexcept SENNIT_REQUIRES(lock);
  /// The earliest node if it is due at `now`, unlinked; nullptr if none.
  timer_node* pop_due(nanos now) noexcept SENNIT_REQUIRES(lock);

  /// The earliest deadline, or never: a hint without the lock, exact for whoever holds it.
  [[nodiscard]] nanos next_deadline() const noexcept { return next_.load(relaxed); }  // mm:timer-next

  /// How many are armed: a hint without the lock.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(relaxed); }  // mm:timer-next

  /// Marks a node as not armed, which remove() then knows.
  static void disarm(timer_node& node) noexcept { node.prev = &node; }

 private:
  static timer_node* meld(timer_node* a, timer_node* b) noexcept;
  static timer_node* merge_pairs(timer_node* first) noexcept;
  void publish() noexcept SENNIT_REQUIRES(lock) {
    next_.store(root_ == nullptr ? never : root_->deadline, relaxed);  // mm:timer-next
  }

  void count(std::ptrdiff_t more) noexcept SENNIT_REQUIRES(lock) {
    size_.store(size_.load(relaxed) + static_cast<std::size_t>(more), relaxed);  // mm:timer-next
  }

  timer_node* root_ SENNIT_GUARDED_BY(lock) = nullptr;
  atomic<nanos> next_{never};
  atomic<std::size_t> size_{0};
};

}  // namespace sennit::inline v0::detail

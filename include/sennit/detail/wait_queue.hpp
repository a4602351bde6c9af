#pragma once
// The waiting list that every blocking object embeds: mutex, channel, event, join, a direction of a descriptor.
#include <sennit/detail/spin_lock.hpp>

namespace sennit::inline v0::detail {

class waiter;  // a fiber or a plain thread (runtime/fiber/waiter.hpp)
struct wait_node;

/// Embedded in the object that is waited for. FIFO; everything but the lock itself happens under the lock. Constant
/// initialised, 24 bytes. CHECK: nobody waits when it is destroyed (waits that a runtime's end has given up do not
/// count).
class wait_queue {
 public:
  constexpr wait_queue() noexcept = default;
  ~wait_queue() SENNIT_NO_ANALYSIS {  // whoever destroys it is alone with it
    if (head_ != nullptr) check_abandoned();
  }
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  spin_lock lock;

  [[nodiscard]] bool empty() const noexcept SENNIT_REQUIRES(lock) { return head_ == nullptr; }
  [[nodiscard]] wait_node* front() const noexcept SENNIT_REQUIRES(lock) { return head_; }

  /// Links `node` at the end (or, for a waiter that was already passed over, at the front).
  SENNIT_API void push_back(wait_node& node) noexcept SENNIT_REQUIRES(lock);
  SENNIT_API void push_front(wait_node& node) noexcept SENNIT_REQUIRES(lock);
  /// Unlinks `node` if it is still linked here; false if a waker took it.
  SENNIT_API bool remove(wait_node& node) noexcept SENNIT_REQUIRES(lock);
  /// Takes nodes from the front until one claims its waiter: losers, whom something else woke first, are dropped.
  /// Returns the node that won, whose waiter the caller must ready after it released the lock; nullptr if none.
  SENNIT_API wait_node* claim_front() noexcept SENNIT_REQUIRES(lock);
  /// The same for who needs only the waiter: the winning node is not touched after the claim.
  SENNIT_API waiter* claim_waiter() noexcept SENNIT_REQUIRES(lock);

 private:
  wait_node* pop_front() noexcept SENNIT_REQUIRES(lock);
  SENNIT_API void check_abandoned() const noexcept SENNIT_REQUIRES(lock);

  wait_node* head_ SENNIT_GUARDED_BY(lock) = nullptr;
  wait_node* tail_ SENNIT_GUARDED_BY(lock) = nullptr;
};

}  // namespace sennit::inline v0::detail

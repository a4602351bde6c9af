#pragma once
// What all primitives do alike: wait in a queue, and make many waiters run at once.
#include <sennit/detail/wait_queue.hpp>

#include "fiber/waiter.hpp"
#include "sched/park.hpp"

namespace sennit::inline v0::detail {

/// Parks with `node` linked in `q`. The caller holds `lock`, which guards `q`; park() releases it after the switch.
/// What ended the park: the node's case, or case_timeout, case_stop, case_ambient_timeout; the node is out of the queue
/// then.
inline std::uint16_t park_in(spin_lock& lock, wait_queue& q, wait_node& node, park_plan plan) noexcept
    SENNIT_RELEASE(lock) SENNIT_NO_ANALYSIS {  // the lock changes hands in the middle of park()
  plan.held = &lock;
  const std::uint16_t woken_by = park(*node.who, plan);
  if (woken_by != node.which) {
    // A waker may be popping the node right now: it loses the claim, but reads the node until it releases the lock.
    const spin_guard guard(lock);
    q.remove(node);
  }
  return woken_by;
}

/// Waiters claimed under a queue's lock, to be readied when it is free again: so a herd runs on other workers while the
/// rest of it is still being readied, and does not spin. On the waker's stack, linked through the claimed nodes.
class wake_chain {
 public:
  void add(wait_node& claimed) noexcept {
    claimed.next = nullptr;
    (tail_ != nullptr ? tail_->next : head_) = &claimed;
    tail_ = &claimed;
  }
  /// Without the lock. Once one waiter runs the primitive may be gone: only nodes not yet readied are looked at.
  void ready_all() noexcept {
    while (head_ != nullptr) {
      wait_node* const node = head_;
      head_ = node->next;  // before ready(): the node lies on the waiter's stack
      ready(*node->who);
    }
  }

 private:
  wait_node* head_ = nullptr;
  wait_node* tail_ = nullptr;
};

/// Takes every waiter that can still be claimed out of `q`. `visit` sees each node before the next one is taken.
template <class Visitor>
void claim_all(wait_queue& q, wake_chain& chain, Visitor&& visit) noexcept SENNIT_REQUIRES(q.lock) {
  while (wait_node* node = q.claim_front()) {
    visit(*node);
    chain.add(*node);
  }
}
inline void claim_all(wait_queue& q, wake_chain& chain) noexcept SENNIT_REQUIRES(q.lock) {
  claim_all(q, chain, [](wait_node&) {});
}

}  // namespace sennit::inline v0::detail

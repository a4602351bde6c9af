#include <sennit/event.hpp>

#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

void event::set() noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    set_.store(1, release);  // mm:event-set
    claim_all(waiters_, chain);
  }
  // The event may be gone: a waiter that came meanwhile has found it set. Who is in the chain cannot run yet.
  chain.ready_all();
}

void event::reset() noexcept {
  const spin_guard guard(waiters_.lock);
  set_.store(0, relaxed);  // mm:event-set
}

bool event::is_set() const noexcept { return set_.load(acquire) != 0; }  // mm:event-set

bool event::wait_before(wait_bound until) {
  const std::uint16_t woken_by = park(until);
  throw_if_canceled(woken_by);
  return woken_by == 0;
}

std::uint16_t event::park(wait_bound until) noexcept {
  waiter& self = current_waiter();
  waiters_.lock.lock();
  // No look at set_ without the lock: it would let the caller return, and destroy the event, between the setter's store
  // and its release of the lock.
  if (set_.load(relaxed) != 0) {  // mm:event-set
    waiters_.lock.unlock();
    return 0;
  }
  wait_node node(self, 0);
  waiters_.push_back(node);
  return park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::event, .object = this, .until = until});
}

}  // namespace sennit::inline v0

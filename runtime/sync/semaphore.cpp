#include <sennit/semaphore.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {

void semaphore_core::release(std::ptrdiff_t n, std::ptrdiff_t max) noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    SENNIT_CHECK(n >= 0 && n <= max - permits_, "release() over max(): give back only what was acquired");
    for (; n > 0; --n) {
      wait_node* const next = waiters_.claim_front();
      if (next == nullptr) break;
      chain.add(*next);
    }
    permits_ += n;
  }
  chain.ready_all();  // the semaphore may be gone: who acquired the last permit may destroy it
}

bool semaphore_core::try_acquire() noexcept {
  const spin_guard guard(waiters_.lock);
  if (permits_ == 0) return false;
  --permits_;
  return true;
}

bool semaphore_core::acquire(wait_bound until) {
  waiter& self = current_waiter();
  waiters_.lock.lock();
  if (permits_ > 0) {
    --permits_;
    waiters_.lock.unlock();
    return true;
  }
  wait_node node(self, 0);
  waiters_.push_back(node);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::semaphore, .object = this, .until = until});
  throw_if_canceled(woken_by);
  return woken_by == node.which;
}

void semaphore_core::refuse() noexcept {
  check_failed(__FILE__, __LINE__, "0 <= desired && desired <= max()", "construct a semaphore with 0 to max() permits");
}

}  // namespace sennit::inline v0::detail

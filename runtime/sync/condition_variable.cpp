#include <sennit/condition_variable.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

void condition_variable::notify_one() noexcept {
  waiters_.lock.lock();
  waiter* const who = waiters_.claim_waiter();
  waiters_.lock.unlock();
  if (who != nullptr) ready(*who);
}

void condition_variable::notify_all() noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    claim_all(waiters_, chain);
  }
  chain.ready_all();
}

// Not analysed: the mutex is held through the caller's unique_lock.
bool condition_variable::wait_before(std::unique_lock<mutex>& lock, wait_bound until) SENNIT_NO_ANALYSIS {
  SENNIT_CHECK(lock.owns_lock(), "condition_variable::wait needs a locked unique_lock: lock it before the wait");
  mutex& m = *lock.mutex();
  waiter& self = current_waiter();
  waiters_.lock.lock();
  wait_node node(self, 0);
  waiters_.push_back(node);
  // A notifier that takes the mutex from here on finds the node, but has to wait for the queue's lock until we are
  // parked and can be claimed. Releasing the mutex any earlier would lose its notify.
  m.unlock();
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::condition, .object = this, .until = until});
  m.lock();  // never interrupted: the caller's unique_lock owns it whatever ended the wait
  if (woken_by != case_token) throw_if_canceled(woken_by);
  return woken_by == node.which;
}

}  // namespace sennit::inline v0

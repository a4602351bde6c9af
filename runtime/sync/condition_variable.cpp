#include <memory>

#include <sennit/condition_variable.hpp>
#include <sennit/detail/exit_node.hpp>

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
  m.unlock_as(self);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::condition, .object = this, .until = until});
  m.lock_as(self);  // never interrupted: the caller's unique_lock owns it whatever ended the wait
  if (woken_by != case_token) throw_if_canceled(woken_by);
  return woken_by == node.which;
}

namespace {

/// Owned by the exit list.
struct exit_notice : exit_node {
  condition_variable* cv = nullptr;
  mutex* locked = nullptr;
};

void give_notice(exit_node& self) noexcept SENNIT_NO_ANALYSIS {  // the lock was taken by the caller below
  const std::unique_ptr<exit_notice> notice(static_cast<exit_notice*>(&self));
  // In this order: who sees what the lock guards may destroy the condition variable as soon as it is unlocked.
  notice->cv->notify_all();
  notice->locked->unlock();
}

}  // namespace

void notify_all_at_fiber_exit(condition_variable& cv, std::unique_lock<mutex> lock) {
  SENNIT_CHECK(lock.owns_lock(), "notify_all_at_fiber_exit needs a locked unique_lock: lock it and move it in");
  auto notice = std::make_unique<exit_notice>();
  notice->run = give_notice;
  notice->cv = &cv;
  notice->locked = lock.release();
  run_at_exit(*notice.release());
}

}  // namespace sennit::inline v0

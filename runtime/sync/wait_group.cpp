#include <sennit/wait_group.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

void wait_group::add(std::size_t n) noexcept {
  const spin_guard guard(waiters_.lock);
  SENNIT_CHECK(count_ + n >= count_, "a wait_group counts to SIZE_MAX: call done() for what has ended");
  count_ += n;
}

void wait_group::done() noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    SENNIT_CHECK(count_ > 0, "more done() than add(): call add() before the work starts");
    if (--count_ == 0) claim_all(waiters_, chain);
  }
  chain.ready_all();  // the group may be gone, as in event::set()
}

std::size_t wait_group::count() const noexcept {
  const spin_guard guard(waiters_.lock);
  return count_;
}

bool wait_group::wait_nanos(nanos deadline) {
  waiter& self = current_waiter();
  waiters_.lock.lock();
  if (count_ == 0) {
    waiters_.lock.unlock();
    return true;
  }
  wait_node node(self, 0);
  waiters_.push_back(node);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::wait_group, .object = this, .deadline = deadline});
  throw_if_ambient(woken_by);
  return woken_by == node.which;
}

}  // namespace sennit::inline v0

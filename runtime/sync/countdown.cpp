#include <sennit/detail/countdown.hpp>

#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {

bool countdown::up(std::size_t n) noexcept {
  const spin_guard guard(waiters_.lock);
  if (count_ + n < count_) return false;
  count_ += n;
  return true;
}

bool countdown::down(std::size_t n) noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    if (n > count_) return false;
    count_ -= n;
    if (count_ == 0) claim_all(waiters_, chain);
  }
  chain.ready_all();  // this may be gone, as in event::set()
  return true;
}

std::size_t countdown::count() const noexcept {
  const spin_guard guard(waiters_.lock);
  return count_;
}

bool countdown::wait(wait_bound until, wait_kind kind, const void* object) {
  waiter& self = current_waiter();
  waiters_.lock.lock();
  if (count_ == 0) {
    waiters_.lock.unlock();
    return true;
  }
  wait_node node(self, 0);
  waiters_.push_back(node);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = kind, .object = object, .until = until});
  throw_if_canceled(woken_by);
  return woken_by == node.which;
}

}  // namespace sennit::inline v0::detail

#include <sennit/barrier.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {

barrier_core::barrier_core(std::ptrdiff_t expected) noexcept : expected_(expected), missing_(expected) {
  SENNIT_CHECK(expected >= 0, "construct a barrier with the number of those who arrive in each phase");
}

std::size_t barrier_core::arrive(std::ptrdiff_t n, std::ptrdiff_t drop, bool& last) noexcept {
  const spin_guard guard(waiters_.lock);
  SENNIT_CHECK(n > 0 && n <= missing_, "more arrivals than the barrier expects: construct it with their number");
  missing_ -= n;
  expected_ -= drop;
  last = missing_ == 0;
  return phase_;
}

void barrier_core::next_phase() noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    ++phase_;
    missing_ = expected_;
    claim_all(waiters_, chain);
  }
  chain.ready_all();  // the barrier may be gone: who went on may destroy it
}

bool barrier_core::wait(std::size_t phase, wait_bound until) {
  waiter& self = current_waiter();
  waiters_.lock.lock();
  SENNIT_CHECK(phase_ - phase <= 1, "wait for the token of the current phase, once");
  if (phase_ != phase) {
    waiters_.lock.unlock();
    return true;
  }
  wait_node node(self, 0);
  waiters_.push_back(node);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::barrier, .object = this, .until = until});
  throw_if_canceled(woken_by);
  return woken_by == node.which;
}

}  // namespace sennit::inline v0::detail

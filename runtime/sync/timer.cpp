#include <algorithm>
#include <system_error>
#include <utility>

#include <sennit/timer.hpp>

#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {

bool timer_core::arm(nanos deadline, nanos period) noexcept {
  wake_chain chain;
  bool was_armed = false;
  {
    const spin_guard guard(waiters_.lock);
    was_armed = deadline_ != never;
    deadline_ = last(deadline);
    period_ = period;
    // Who sleeps no longer than the new time finds it when it wakes. A timeout that is put off again and again wakes
    // nobody in between.
    if (deadline_ < slept_to_) claim_all(waiters_, chain);
  }
  chain.ready_all();  // the timer may be gone: who waited may destroy it
  return was_armed;
}

bool timer_core::disarm() noexcept {
  const spin_guard guard(waiters_.lock);
  return std::exchange(deadline_, never) != never;
}

bool timer_core::armed() const noexcept {
  const spin_guard guard(waiters_.lock);
  return deadline_ != never;
}

nanos timer_core::take(nanos now) noexcept {
  if (deadline_ > now) return never;
  const nanos due = deadline_;
  // The next multiple after now: what was missed in between is dropped.
  deadline_ = period_ == 0 ? never : last(add_nanos(now, period_ - (now - due) % period_));
  return due;
}

void timer_core::sleeps() noexcept { slept_to_ = waiters_.empty() ? deadline_ : std::max(slept_to_, deadline_); }

nanos timer_core::wait(wait_bound until) {
  waiter& self = current_waiter();
  const nanos bound = until.deadline;
  for (;;) {
    const nanos now = clock_now();  // not under the lock: what is due now is due a little later too
    waiters_.lock.lock();
    if (const nanos due = take(now); due != never) {
      waiters_.lock.unlock();  // the last access: another one may be about to destroy it
      take_turns(self);
      return due;
    }
    const nanos deadline = deadline_;
    until.deadline = std::min(deadline, bound);
    sleeps();
    wait_node node(self, 0);
    waiters_.push_back(node);
    const std::uint16_t woken_by =
        park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::timer, .object = this, .until = until});
    throw_if_canceled(woken_by);
    // By the timer's time or by arm(): another waiter may have been faster, or the time is a new one. So look again.
    if (woken_by == case_timeout && bound < deadline) return never;
  }
}

void timer_core::refuse_period() {
  throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                          "sennit: a ticker needs a period above zero");
}

}  // namespace sennit::inline v0::detail

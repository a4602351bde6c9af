#include <sennit/condition_variable_any.hpp>

#include "sched/park.hpp"

namespace sennit::inline v0 {
using detail::spin_guard;

condition_variable_any::guest::guest(condition_variable_any& of) noexcept : of_(of) {
  const spin_guard guard(of.lock_);
  prev_ = of.last_;
  (of.last_ != nullptr ? of.last_->next_ : of.first_) = this;
  of.last_ = this;
}

condition_variable_any::guest::~guest() { leave(); }

bool condition_variable_any::guest::await(detail::wait_bound until) {
  const std::uint16_t woken_by = notified_.park(until);
  if (woken_by == 0) return true;
  if (leave()) return true;  // a notify that was for us must not be lost; a stop is met at the next wait
  if (woken_by != detail::case_token) detail::throw_if_canceled(woken_by);
  return false;
}

bool condition_variable_any::guest::leave() noexcept {
  // Who was taken from the list by a notify gets the lock only when that notify is done with it.
  const spin_guard guard(of_.lock_);
  if (listed_) of_.unlist(*this);
  return !std::exchange(listed_, false);
}

void condition_variable_any::unlist(guest& g) noexcept {
  (g.prev_ != nullptr ? g.prev_->next_ : first_) = g.next_;
  (g.next_ != nullptr ? g.next_->prev_ : last_) = g.prev_;
}

void condition_variable_any::notify_one() noexcept {
  const spin_guard guard(lock_);
  if (guest* const g = first_; g != nullptr) {
    unlist(*g);
    g->listed_ = false;
    g->notified_.set();
  }
}

void condition_variable_any::notify_all() noexcept {
  const spin_guard guard(lock_);
  while (guest* const g = first_) {
    unlist(*g);
    g->listed_ = false;
    g->notified_.set();
  }
}

}  // namespace sennit::inline v0

#include <sennit/channel.hpp>
#include <sennit/detail/future_core.hpp>
#include <sennit/detail/select_case.hpp>
#include <sennit/event.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/timer.hpp>

#include "base/check.hpp"
#include "fiber/fiber_block.hpp"
#include "sched/park.hpp"
#include "sched/token_waker.hpp"
#include "sync/channel_node.hpp"

namespace sennit::inline v0::detail {

// ---- what waits in a queue ----

wait_node* queued_case::node() noexcept { return std::launder(reinterpret_cast<wait_node*>(room_)); }

void queued_case::link(wait_queue& q, waiter& self, std::uint16_t which) noexcept {
  static_assert(sizeof(wait_node) <= node_bytes);
  ::new (static_cast<void*>(room_)) wait_node(self, which);
  link_made(q);
}

void queued_case::link_made(wait_queue& q) noexcept SENNIT_NO_ANALYSIS {  // the lock is that of lock()
  q.push_back(*node());
  queue_ = &q;
}

void queued_case::delist() noexcept SENNIT_NO_ANALYSIS {
  if (queue_ != nullptr) queue_->remove(*node());
  queue_ = nullptr;
}

// ---- channels ----

spin_lock* channel_case::lock() const noexcept { return &channel_->senders_.lock; }

bool channel_case::try_fire(waiter*& wake) SENNIT_NO_ANALYSIS {
  SENNIT_CHECK(slot() != nullptr, "this on_send() has sent its value already: make a new case for the next one");
  const channel_result result = sends_ ? channel_->send_locked(slot(), wake) : channel_->receive_locked(slot(), wake);
  closed_ = result == channel_result::closed;
  return result != channel_result::would_wait;
}

bool channel_case::enlist(waiter& self, std::uint16_t which) noexcept {
  static_assert(sizeof(channel_node) <= node_bytes);
  ::new (static_cast<void*>(node_room())) channel_node(self, which, slot());
  link_made(sends_ ? channel_->senders_ : channel_->receivers_);
  return true;
}

bool channel_case::claimed() noexcept {
  closed_ = static_cast<channel_node*>(node())->closed;
  return true;
}

// ---- events, semaphores, ends of fibers ----

spin_lock* event_case::lock() const noexcept { return &event_->waiters_.lock; }

bool event_case::try_fire(waiter*&) { return event_->set_.load(relaxed) != 0; }  // mm:event-set

bool event_case::enlist(waiter& self, std::uint16_t which) noexcept {
  link(event_->waiters_, self, which);
  return true;
}

spin_lock* acquire_case::lock() const noexcept { return &semaphore_->waiters_.lock; }

bool acquire_case::try_fire(waiter*&) SENNIT_NO_ANALYSIS {  // under lock()
  if (semaphore_->permits_ == 0) return false;
  --semaphore_->permits_;
  return true;
}

bool acquire_case::enlist(waiter& self, std::uint16_t which) noexcept {
  link(semaphore_->waiters_, self, which);
  return true;
}

join_case::join_case(fiber_block* f) : fiber_(f) {
  if (f == nullptr) throw_if(std::make_error_code(std::errc::invalid_argument), "sennit: on_join of no fiber");
}

spin_lock* join_case::lock() const noexcept { return &fiber_->joiners.lock; }

bool join_case::try_fire(waiter*&) { return fiber_->state.is_done(); }

bool join_case::enlist(waiter& self, std::uint16_t which) noexcept {
  SENNIT_CHECK(&self != fiber_, "a fiber that waits for its own end waits for ever: join it from another one");
  link(fiber_->joiners, self, which);
  return true;
}

spin_lock* ready_case::lock() const noexcept { return &core_->queue().lock; }

bool ready_case::try_fire(waiter*&) { return core_->is_ready_locked(); }

bool ready_case::enlist(waiter& self, std::uint16_t which) noexcept {
  link(core_->queue(), self, which);
  return true;
}

// ---- stops and times ----

stop_case::~stop_case() { delist(); }

bool stop_case::try_fire(waiter*&) { return token_.stop_requested(); }

bool stop_case::enlist(waiter& self, std::uint16_t which) noexcept {
  static_assert(sizeof(token_waker) <= waker_bytes);
  if (!token_.stop_possible()) return true;
  ::new (static_cast<void*>(waker_)) token_waker(self, token_, which);
  registered_ = true;
  return true;
}

void stop_case::delist() noexcept {
  if (!std::exchange(registered_, false)) return;
  std::destroy_at(std::launder(reinterpret_cast<token_waker*>(waker_)));
}

bool time_case::try_fire(waiter*&) { return deadline_ <= clock_now(); }

spin_lock* timer_case::lock() const noexcept { return &timer_->waiters_.lock; }

bool timer_case::try_fire(waiter*&) SENNIT_NO_ANALYSIS {  // under lock(), as the others
  due_ = timer_->take(clock_now());
  return due_ != never;
}

nanos timer_case::deadline() const noexcept SENNIT_NO_ANALYSIS { return timer_->deadline_; }

bool timer_case::enlist(waiter& self, std::uint16_t which) noexcept SENNIT_NO_ANALYSIS {
  timer_->sleeps();
  link(timer_->waiters_, self, which);
  return true;
}

}  // namespace sennit::inline v0::detail

#include "resolver/resolver_core.hpp"

#include <array>
#include <utility>

#include <sennit/select.hpp>

namespace sennit::inline v0::detail {
namespace {

[[noreturn]] void throw_deadline() {
  throw std::system_error(make_error_code(error::deadline_passed), "sennit: resolver");
}

[[noreturn]] void throw_canceled() {
  throw std::system_error(std::make_error_code(std::errc::operation_canceled), "sennit: resolver");
}

}  // namespace

resolver_core::resolver_core(const resolver::options& opts)
    : hosts(opts.hosts_file), services("/etc/services"), channel_(opts, [this](lookup& l) { ended(l); }) {}

void resolver_core::ask(const std::shared_ptr<lookup>& wanted, wait_bound until) {
  if (until.stop->stop_requested()) throw_canceled();
  if (until.deadline <= clock_now()) throw_deadline();
  if (!room_.try_acquire_until(time_of(until.deadline), *until.stop)) throw_deadline();
  guard lock(mutex_);
  if (closed_) {
    room_.release();
    throw_canceled();
  }
  ++asking_;
  struct leaving {
    resolver_core& core;
    lookup& mine;
    ~leaving() { core.leave(mine); }
  } const part{*this, *wanted};  // under the lock again, however the wait ends
  try {
    channel_.start(wanted);
  } catch (...) {
    room_.release();  // there is no question
    throw;
  }
  wait_for(lock, *wanted, until);
}

void resolver_core::wait_for(guard& lock, lookup& mine, wait_bound until) {
  while (!mine.done) {
    if (driver_ == nullptr) driver_ = &mine;
    if (driver_ == &mine) {
      drive(lock, mine, until);
      continue;
    }
    mine.changed.reset();
    if (!mine.linked) link(mine);
    struct unlocked {
      guard& lock;
      explicit unlocked(guard& l) : lock(l) { lock.unlock(); }
      ~unlocked() { lock.lock(); }
    };
    bool in_time = false;
    {
      const unlocked scope(lock);
      in_time = mine.changed.wait_until(time_of(until.deadline), *until.stop);
    }
    if (!in_time && !mine.done && driver_ != &mine) throw_deadline();
  }
}

void resolver_core::drive(guard& lock, lookup& mine, wait_bound until) {
  enum : std::uint8_t { answers, changed, stopped, late };
  case_with<descriptor_case, no_handler> on_answers(no_handler(), channel_.native_handle(), nullptr, false);
  case_with<event_case, no_handler> on_change(no_handler(), mine.changed);
  case_with<stop_case, no_handler> on_token(no_handler(), *until.stop);
  case_with<time_case, no_handler> on_time(no_handler(), std::min(until.deadline, channel_.due()));
  const std::array<select_case*, 4> cases{&on_answers, &on_change, &on_token, &on_time};
  mine.changed.reset();
  std::size_t fired = 0;
  lock.unlock();
  try {
    fired = select_among(cases);
  } catch (...) {
    lock.lock();
    throw;
  }
  lock.lock();
  if (mine.done) return;
  channel_.process();
  if (mine.done) return;
  if (fired == stopped) throw_canceled();
  if (fired == late && clock_now() >= until.deadline) throw_deadline();
}

void resolver_core::ended(lookup& l) noexcept {
  room_.release();
  l.done = true;
  if (l.linked) unlink(l);
  l.changed.set();
}

void resolver_core::leave(lookup& mine) noexcept {
  if (mine.linked) unlink(mine);
  if (driver_ == &mine) {
    driver_ = first_;
    if (driver_ != nullptr) {
      unlink(*driver_);
      driver_->changed.set();
    }
  }
  if (--asking_ == 0) channel_.cancel_all();
}

void resolver_core::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  channel_.cancel_all();
}

void resolver_core::link(lookup& l) noexcept {
  l.linked = true;
  l.prev = last_;
  l.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &l;
  last_ = &l;
}

void resolver_core::unlink(lookup& l) noexcept {
  l.linked = false;
  (l.prev != nullptr ? l.prev->next : first_) = l.next;
  (l.next != nullptr ? l.next->prev : last_) = l.prev;
}

}  // namespace sennit::inline v0::detail

#include "sched/park.hpp"

#include <poll.h>

#include <cerrno>
#include <optional>
#include <utility>

#include <sennit/error.hpp>

#include "base/check.hpp"
#include "base/futex.hpp"
#include "base/host.hpp"
#include "base/system.hpp"
#include "sched/current.hpp"
#include "sched/idle_thread.hpp"
#include "sched/scheduler.hpp"
#include "sched/token_waker.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

/// A park of a fiber, on its stack: what the post-switch hook needs.
struct parking {
  const park_plan& plan;
  nanos deadline;
  bool interruptible;
};

/// The locks of a plan. A waiter that is woken takes each of them before its nodes and their list of locks go; its
/// plan, a temporary of whoever called park(), goes before that.
struct held_locks {
  explicit held_locks(const park_plan& plan) noexcept : first(plan.held), rest(plan.more_held) {}

  void unlock() const noexcept SENNIT_NO_ANALYSIS {
    if (first != nullptr) first->unlock();
    for (spin_lock* lock : rest) lock->unlock();
  }

  spin_lock* first;
  std::span<spin_lock* const> rest;
};

/// Runs on the next context, after `f` has left its stack: only now may anybody wake it.
void publish_parked(worker& w, fiber_block& f, void* arg) noexcept SENNIT_NO_ANALYSIS {
  const parking& p = *static_cast<parking*>(arg);
  const held_locks held(p.plan);
  const bool parked = f.state.publish(p.interruptible);  // from now on `p` and its plan may be gone
  held.unlock();
  if (!parked) w.home.requeue(w, f);  // a stop came first
}

/// The same with a deadline. The timers are locked until the fiber is parked: one that expires before would find nobody
/// to wake, and be lost. Until the queues are unlocked as well: whoever wakes the fiber takes their locks or, where
/// there is none, may be a stop; the fiber then takes this lock to disarm, and is not gone before.
void publish_timed(worker& w, fiber_block& f, void* arg) noexcept SENNIT_NO_ANALYSIS {
  const spin_guard guard(w.timers.lock);
  f.wait.timer.deadline = static_cast<parking*>(arg)->deadline;
  f.wait.timer.epoch = f.state.epoch();
  w.timers.insert(f.wait.timer, w.last_poll());
  publish_parked(w, f, arg);
}

std::uint16_t park_fiber(fiber_block& f, const park_plan& plan) noexcept {
  worker* w = f.last;
  const bool interruptible = plan.ambient && f.shields == 0;
  const bool ambient_first = interruptible && f.ambient_deadline < plan.until.deadline;
  parking p{plan, ambient_first ? f.ambient_deadline : plan.until.deadline, interruptible};
  if (p.deadline != never && (ambient_first || !plan.in_the_future) && p.deadline <= w->home.outside().now()) {
    held_locks(plan).unlock();
    take_turns(f);
    return ambient_first ? case_ambient_timeout : case_timeout;
  }
  f.wait_for = plan.kind;
  f.wait.object = plan.object;
  f.wait.since = w->last_poll();
  w->counters.parks.add();
  timer_queue& timers = w->timers;
  w->leave(f, p.deadline == never ? publish_parked : publish_timed, &p);
  f.wait_for = wait_kind::none;
  const std::uint16_t woken_by = f.state.case_won();
  if (p.deadline != never && woken_by != case_timeout) {
    const spin_guard guard(timers.lock);
    timers.remove(f.wait.timer);
  }
  return woken_by == case_timeout && ambient_first ? case_ambient_timeout : woken_by;
}

std::uint16_t park_thread(thread_waiter& t, const park_plan& plan) noexcept SENNIT_NO_ANALYSIS {
  const std::uint32_t epoch = t.state.epoch();
  const nanos deadline = plan.until.deadline;
  t.idle = deadline == never;
  if (t.idle) idle_thread::begin();
  const bool published = t.state.publish(false);
  held_locks(plan).unlock();
  if (!published) {  // noted before
    if (std::exchange(t.idle, false)) idle_thread::end();
    return t.state.case_won();
  }
  for (;;) {
    const auto seen = t.state.peek();
    // Claimed is not enough: the waker may still be inside the primitive. Its last access is thread_ready.
    if ((seen & state_word::thread_ready) != 0) return t.state.case_won();
    if ((seen & state_word::parked) != 0 && deadline != never && clock_now() >= deadline &&
        t.state.claim(epoch, case_timeout)) {
      return case_timeout;
    }
    futex_wait(t.state.futex_address(), state_word::futex_value(seen),
               (seen & state_word::parked) != 0 ? deadline : never);
  }
}

std::uint16_t park_without_token(waiter& self, const park_plan& plan) noexcept {
  return self.is_fiber() ? park_fiber(static_cast<fiber_block&>(self), plan)
                         : park_thread(static_cast<thread_waiter&>(self), plan);
}

[[gnu::noinline]] std::uint16_t park_with_token(waiter& self, const park_plan& plan) noexcept {
  if (plan.until.stop->stop_requested()) {
    held_locks(plan).unlock();
    take_turns(self);
    return case_token;
  }
  // Under the plan's locks: no user code runs in here, and a callback that runs elsewhere takes none of them.
  const token_waker waker(self, *plan.until.stop, case_token);
  return park_without_token(self, plan);
}

}  // namespace

void take_turns(waiter& self) noexcept {
  constexpr std::uint8_t waits_per_turn = 16;
  if (!self.is_fiber()) return;
  auto& f = static_cast<fiber_block&>(self);
  if (++f.yields < waits_per_turn) return;
  f.yields = 0;
  f.last->yield(f);
}

fiber_block* current_fiber() noexcept {
  worker* w = this_worker();
  return w != nullptr ? w->running() : nullptr;
}

std::uint16_t park(waiter& self, const park_plan& plan) noexcept {
  if (plan.until.stop != nullptr && plan.until.stop->stop_possible()) [[unlikely]]
    return park_with_token(self, plan);
  return park_without_token(self, plan);
}

std::uint16_t park_polling(thread_waiter& self, const park_plan& plan, std::span<pollfd> fds) noexcept {
  std::optional<token_waker> waker;
  if (plan.until.stop != nullptr && plan.until.stop->stop_possible()) waker.emplace(self, *plan.until.stop, case_token);
  fds.back() = {self.wake_fd(), POLLIN, 0};
  self.polling.store(true, release);  // mm:thread-polling
  const std::uint32_t epoch = self.state.epoch();
  const bool published = self.state.publish(false);
  held_locks(plan).unlock();
  int got = 1;
  if (published) {
    do got = system_host().poll(fds.data(), fds.size(), plan.until.deadline);
    while (got == -EINTR);
  }
  const bool mine = published && self.state.claim(epoch, got == 0 ? case_timeout : case_polled);
  // Somebody else won: its last access must be over before the flag or the nodes may be used again.
  while (published && !mine && !self.state.is_thread_ready()) cpu_pause();
  self.polling.store(false, release);  // mm:thread-polling
  if (published && !mine) {
    lower_flag(self.wake_fd());
  }
  return self.state.case_won();
}

namespace {

[[gnu::noinline]] void ready_thread(thread_waiter& thread) noexcept {
  // Everything that is needed of the thread is read before it may go on; afterwards the kernel only compares addresses.
  const void* address = thread.state.futex_address();
  if (std::exchange(thread.idle, false)) idle_thread::end();  // now, since it may be long before it runs
  if (thread.polling.load(acquire)) {                         // mm:thread-polling
    raise_flag(thread.wake_fd());
    thread.state.set_thread_ready();
  } else {
    thread.state.set_thread_ready();
    futex_wake(address, 1);
  }
}

}  // namespace

void ready(waiter& claimed) noexcept {
  if (!claimed.is_fiber()) return ready_thread(static_cast<thread_waiter&>(claimed));
  if (claimed.state.may_run()) claimed.home->make_ready(static_cast<fiber_block&>(claimed));
}

void throw_canceled(std::uint16_t woken_by) {
  if (woken_by == case_token) {
    throw_if(std::make_error_code(std::errc::operation_canceled), "sennit: the stop_token of this wait was stopped");
  }
  if (woken_by == case_stop) {
    throw_if(std::make_error_code(std::errc::operation_canceled), "sennit: the enclosing scope or runtime was stopped");
  }
  if (woken_by == case_ambient_timeout) {
    throw_if(make_error_code(error::deadline_passed), "sennit: the deadline of an enclosing scope");
  }
}

nanos clock_now() noexcept {
  worker* w = this_worker();
  return (w != nullptr ? w->home.outside() : system_host()).now();
}

}  // namespace sennit::inline v0::detail

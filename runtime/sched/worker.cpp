#include "sched/worker.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/probes.hpp"
#include "base/sanitizer.hpp"
#include "base/signal_chain.hpp"
#include "base/system.hpp"
#include "context/tsan_section.hpp"
#include "sched/current.hpp"
#include "sched/held_locks.hpp"
#include "sched/park.hpp"
#include "sched/preemption.hpp"
#include "sched/scheduler.hpp"
#include "sched/stack_probe.hpp"
#include "stack/overflow.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t inject_batch = 128;     // fibers taken from the inject queue at once, at most
constexpr nanos poll_backoff_below = 50'000;  // polls closer together than this, and empty, may become rarer
constexpr std::size_t crowd_of_ready = 2048;  // at 600 bytes each, more than a second-level cache of 1 MiB holds

/// Valgrind tells a switch from a large frame by the stacks that it knows; of the threads' own, only the main one's.
class thread_stack_known {
 public:
  thread_stack_known() noexcept {
    if (RUNNING_ON_VALGRIND == 0) return;
    const std::span<std::byte> mine = own_stack();
    if (!mine.empty()) id_ = VALGRIND_STACK_REGISTER(mine.data(), &mine.back());
  }
  thread_stack_known(const thread_stack_known&) = delete;
  thread_stack_known& operator=(const thread_stack_known&) = delete;
  ~thread_stack_known() { VALGRIND_STACK_DEREGISTER(id_); }

 private:
  unsigned id_ = 0;
};

void check_no_initialiser() noexcept {
  SENNIT_CHECK(static_initialisers() == 0,
               "do not wait inside the initialiser of a function-local static: initialise it before, or under a mutex");
}

void check_may_wait(const fiber_block& me) noexcept {
  SENNIT_CHECK(me.must_not_wait() != in_region, "do not wait or yield in preemptible(): it is for computation alone");
  SENNIT_CHECK(me.must_not_wait() == 0,
               "a stop_callback must not wait or yield: let it set an event, or spawn a fiber that does the rest");
}

}  // namespace

worker::worker(scheduler& s, unsigned i)
    : home(s), index(i), blocks(i), stacks(s.stacks), dice(s.outside().random()), waker_(poll, 0) {}

// ---- the switch ----

/// Makes `f` the running fiber, which reads `last` and `slot` of itself. nullptr: it has no stack yet and waits for
/// one.
SENNIT_NO_TSAN_INLINE context* worker::enter(fiber_block* f) noexcept {
  if (f->slot == nullptr && !bind(f)) [[unlikely]]
    return nullptr;
  switches_.add();
  if (f->clock_is_wanted()) [[unlikely]]
    begin_timing(*f);
  SENNIT_PROBE2(run, f->id, index);
  f->last = this;
  running_.store(f, release);  // mm:worker-running: with its name and id
  return &f->ctx;
}

/// Whose turn it is when `me` leaves its stack; on that side `after` is called.
context& worker::choose_next(fiber_block& me, after_switch_fn after, void* arg) noexcept {
  check_no_initialiser();
  report_held_locks(me);
  const bool final = after == &worker::finish;
  SENNIT_PROBE3(leave, me.id, index, static_cast<unsigned char>(me.wait_for));
  if (me.callbacks != 0) [[unlikely]]
    look_closer(me, final);
  context* to = nullptr;
  if (final) tsan_release(me.slot);  // whoever runs on this stack next is ordered after us
  tsan_release(&me);
  {
    const tsan_section on_thread(tsan.self());
    after_ = {after, &me, arg};
    while (fiber_block* next = pick_next()) {
      to = enter(next);
      if (to != nullptr) break;
    }
    if (to == nullptr) to = enter_other(me, final);
  }
  return *to;
}

worker* worker::leave(fiber_block& me, after_switch_fn after, void* arg) noexcept {
  context& to = choose_next(me, after, arg);
  auto* w = static_cast<worker*>(switch_context(me.ctx, to, this, live_exceptions()));
  w->after_switch();
  tsan_acquire(&me);  // what the waker released
  return w;
}

last_switch worker::leave_for_good(fiber_block& me) noexcept {
  context& to = choose_next(me, &worker::finish, nullptr);
  return {me.ctx, to, this, live_exceptions()};
}

void worker::look_closer(fiber_block& me, bool final) noexcept {
  check_may_wait(me);
  const tsan_section on_thread(tsan.self());
  end_timing(me, final);
}

void worker::execute(fiber_block* f) noexcept {
  context* to = enter(f);
  if (to == nullptr) return;
  switch_context(root_, *to, this, *live_);
  after_switch();
}

void worker::after_switch() noexcept {
  const tsan_section on_thread(tsan.self());
  const auto job = after_;
  after_.fn = nullptr;
  if (job.left != nullptr) tsan_acquire(job.left);
  if (job.fn != nullptr) job.fn(*this, *job.left, job.arg);
}

/// Nobody is ready: the worker's own context, or who joins `me` at its end and is ready as soon as that is concluded.
[[gnu::noinline]] context* worker::enter_other(fiber_block& me, bool final) noexcept {
  if (context* const joiner = final && !must_look() ? enter_joiner(me) : nullptr) return joiner;
  running_.store(nullptr, relaxed);  // mm:worker-running
  return &root_;
}

context* worker::enter_joiner(fiber_block& me) noexcept {
  const spin_guard guard(me.joiners.lock);
  wait_node* const node = me.joiners.front();
  // Not one whose stack is being inspected: the inspector may make it run before `me` is concluded.
  if (node == nullptr || node->who->home != &home || !node->claim(state_word::inspected)) return nullptr;
  me.joiners.remove(*node);
  auto& joiner = static_cast<fiber_block&>(*node->who);
  after_.arg = &joiner;
  return joiner.may_run_next() && !home.options_.force_migrate ? enter(&joiner) : nullptr;
}

// ---- queues ----

void worker::push_outside(fiber_block* f) noexcept { home.injected.push(f); }

fiber_block* worker::pick_next() noexcept { return must_look() ? pick_after_look() : pick_queued(); }

fiber_block* worker::pick_queued() noexcept {
  if (next_.load(relaxed) != nullptr && lifo_uses_ < lifo_limit) {  // mm:lifo-slot
    if (fiber_block* f = next_.exchange(nullptr, acq_rel)) {        // mm:lifo-slot
      ++lifo_uses_;
      return f;
    }
  }
  lifo_uses_ = 0;
  if (!own_.empty() && (own_turn_ = !own_turn_)) return own_.pop_front();  // in turn with the others
  std::uint32_t left = 0;
  if (fiber_block* f = queue_.pop(left)) return left > crowd_of_ready ? fetch_after(f) : f;
  if (!own_.empty()) return own_.pop_front();
  if (next_.load(relaxed) == nullptr) return nullptr;  // mm:lifo-slot
  return next_.exchange(nullptr, acq_rel);             // mm:lifo-slot
}

/// What outsiders queued waits no longer because polls became rare. When one of those is due, the root does both.
/// A slice that is to be timed is noticed here too.
[[gnu::noinline]] fiber_block* worker::pick_after_look() noexcept {
  const std::uint64_t switches = switches_.get();
  if (switches >= poll_at_) return nullptr;
  if (switches >= outside_at_) {
    outside_at_ = switches + look_interval;
    take_from_outside();
  }
  fiber_block* const f = pick_queued();
  if (f != nullptr && switches >= time_at_.load(relaxed)) {  // mm:time-at
    f->ask_for_clock();
    choose_next_timed();
  }
  choose_next_look();
  return f;
}

void worker::choose_next_look() noexcept {
  for (std::uint64_t timed = time_at_.load(relaxed);;) {                   // mm:time-at
    look_at_.exchange(std::min({poll_at_, outside_at_, timed}), seq_cst);  // mm:look-at
    // A recording that begins now is seen here, or what it stores there comes later.
    const std::uint64_t still = time_at_.load(seq_cst);  // mm:time-at
    if (still == timed) return;
    timed = still;
  }
}

/// Fibers of a crowd come round so rarely that no cache holds them. Only a hint: a thief may have them by now, and so
/// what is read here may be old.
[[gnu::noinline]] SENNIT_NO_TSAN fiber_block* worker::fetch_after(fiber_block* f) const noexcept {
  if (const fiber_block* later = queue_.ahead(16)) later->fetch<0, 1>();
  if (const fiber_block* soon = queue_.ahead(8)) {
    if (soon->slot != nullptr) {
      prefetch_context(soon->ctx);
    } else {
      soon->fetch<1, 4>();
    }
  }
  return f;
}

bool worker::displace_next(fiber_block* f) noexcept {
  fiber_block* older = next_.exchange(f, acq_rel);  // mm:lifo-slot
  if (older == nullptr) return false;
  if (older->urgent() && !f->urgent()) [[unlikely]] {
    older = next_.exchange(older, acq_rel);  // mm:lifo-slot: back to its place; a thief may have been there
    if (older == nullptr) return true;
  }
  push_back(older);  // the newest runs next, on a warm cache
  return true;
}

void worker::push_back(fiber_chain&& chain) noexcept {
  while (fiber_block* f = chain.pop_front()) {
    if (f->urgent()) [[unlikely]] {
      push_next(f);
    } else {
      push_back(f);
    }
  }
}

void worker::push_mailbox(fiber_block* f) noexcept {
  mailbox_.push(f);
  storeload_fence();  // the fiber is visible before the sleep word is read (pairs with sleep())
  wake();
}

fiber_block* worker::take_stuck_next(std::uint64_t seen_switches) noexcept {
  if (switches_.get() != seen_switches || next_.load(relaxed) == nullptr) return nullptr;  // mm:lifo-slot
  return next_.exchange(nullptr, acq_rel);                                                 // mm:lifo-slot
}

worker* worker::yield(fiber_block& me) noexcept {
  const auto alone = [this] {
    const tsan_section on_thread(tsan.self());
    if (must_look() || has_work() || home.options_.force_migrate) return false;
    return home.injected.empty() || !take_from_outside();
  };
  if (alone() && me.callbacks == 0) {
    check_no_initialiser();
    switches_.add();  // nobody else: stay, but come closer to the next look outside
    return this;
  }
  return leave(me, [](worker& w, fiber_block& left, void*) noexcept { w.home.requeue(w, left); }, nullptr);
}

// ---- the worker's own context ----

void worker::run() noexcept {
  tsan.enter();
  set_this_worker(this);
  live_ = thread_exception_state();
  const alt_stack signal_stack;
  const thread_stack_known stack;
  unblock(probe_signal);
  unblock(preempt_signal);
  now_.store(home.outside().now(), relaxed);  // mm:worker-now
  while (fiber_block* f = next_for_root()) execute(f);
  stacks.flush();
  set_this_worker(nullptr);
  tsan.leave();
}

bool worker::ask(stack_probe& p) noexcept {
  const spin_guard guard(thread_lock_);
  stack_probe* none = nullptr;
  if (joined_ || !probe_.compare_exchange_strong(none, &p, release, relaxed)) return false;  // mm:probe
  pthread_kill(thread_, probe_signal);
  return true;
}

void worker::ask_to_preempt() noexcept {
  const spin_guard guard(thread_lock_);
  if (!joined_ && region_slice() != 0) pthread_kill(thread_, preempt_signal);
}

fiber_block* worker::next_for_root() noexcept {
  for (;;) {
    if (switches_.get() >= poll_at_) {
      maintain();
      // Here too: fibers that yield for ever would never let us come to the check below.
      if (home.state() == scheduler::phase::stopping) return nullptr;
    }
    if (fiber_block* f = pick_next()) {
      stop_searching();
      return f;
    }
    if (take_from_outside()) continue;
    if (home.state() == scheduler::phase::stopping) return nullptr;
    if (poll_pays_) {
      maintain();
      poll_pays_ = has_work();
    }
    if (!has_work() && !(poll_pays_ = search())) sleep();
  }
}

/// Mailbox and a fair share of the inject queue; true if anything came.
bool worker::take_from_outside() noexcept {
  fiber_chain mine = mailbox_.pop(~std::size_t{0});
  const bool mail = !mine.empty();
  own_.append(mine);
  if (home.injected.empty()) return mail;
  const std::size_t share = home.injected.size() / home.workers().size() + 1;
  fiber_chain got = home.injected.pop(std::min(share, inject_batch));
  if (got.empty()) return mail;
  // What is alone runs here next; everything else others could run meanwhile.
  const bool crowd = got.count > 1 || has_work();
  push_back(std::move(got));
  if (crowd) home.notify();
  return true;
}

/// What a poll brought. The first of all runs at once, here.
void worker::requeue(fiber_chain&& chain) noexcept {
  if (chain.empty()) return;
  const bool help_pays = pace_.keeps_waiting(queued() + chain.count - 1);
  home.requeue(*this, std::move(chain));
  if (help_pays) home.notify();
}

void worker::maintain() noexcept {
  fiber_chain out;
  const nanos before = last_poll();
  const bool polled = poll_ready(out);
  if (polled) pace_.note(switches_.get(), last_poll());
  const bool calm = polled && out.empty() && last_poll() - before < poll_backoff_below;
  poll_interval_ = calm ? std::min(poll_interval_ * 2, poll_interval_max) : poll_interval_min;
  requeue(std::move(out));
  take_from_outside();
  poll_at_ = switches_.get() + poll_interval_;
  outside_at_ = switches_.get() + look_interval;
  choose_next_look();
}

bool worker::poll_ready(fiber_chain& out) noexcept {
  if (!poll_token_.try_lock()) return false;
  poll_locked(0, out);
  poll_token_.unlock();
  return true;
}

std::size_t worker::poll_locked(nanos timeout, fiber_chain& out) noexcept {
  const int got = poll.wait(events_, timeout);
  SENNIT_CHECK_SEEN(got >= 0, "the poller failed; keep its descriptor open", got);
  counters.polls.add();
  counters.poll_events.add(static_cast<std::uint64_t>(got));
  SENNIT_PROBE2(poll, index, got);
  if (got > 0 && this_worker() == this) record(trace_kind::poll, 0, static_cast<std::uint64_t>(got));
  for (const poll_event& e : std::span(events_).first(static_cast<std::size_t>(got))) {
    if (e.token == 0) {
      waker_.acknowledge();
      continue;
    }
    for (waiter* w : io_slot::deliver(e)) {
      if (w == nullptr) continue;
      if (w->home == &home) {
        if (w->state.may_run()) out.push_back(static_cast<fiber_block*>(w));
      } else {
        ready(*w);
      }
    }
  }
  const nanos now = home.outside().now();
  now_.store(now, relaxed);  // mm:worker-now
  while (timers.next_deadline() <= now) expire_timers(now, out);
  return out.count;
}

void worker::expire_timers(nanos now, fiber_chain& out) noexcept {
  std::array<timer_node*, 16> due;
  const spin_guard guard(timers.lock);
  std::size_t count = 0;
  while (count < due.size() && (due[count] = timers.pop_due(now)) != nullptr) {
    __builtin_prefetch(&fiber_block::of(*due[count++]));
  }
  if (count > 0) timers_fired_ = now;
  for (timer_node* node : std::span(due).first(count)) {
    fiber_block& f = fiber_block::of(*node);
    if (!f.state.claim(node->epoch, case_timeout) || !f.state.may_run()) continue;
    // It has slept, and so its stack is in no cache any more: fetched while the others are looked at.
    prefetch_context(f.ctx);
    out.push_back(&f);
  }
}

}  // namespace sennit::inline v0::detail

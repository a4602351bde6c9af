// A worker without a fiber to run: it looks at the others' queues, and sleeps.
#include <algorithm>
#include <array>

#include "base/probes.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t crowd_of_timers = 64;
constexpr nanos timer_slack = 50'000;  // the kernel's own for threads
constexpr nanos brief_sleep = 5'000;   // so short that something was there at once

}  // namespace

void worker::stop_searching() noexcept {
  if (!searching_) return;
  searching_ = false;
  // The last searcher hands over: more work may be queued than this worker will run soon.
  if (home.idle.end_search()) home.notify();
}

void worker::note_steal(const worker& victim) noexcept {
  counters.steals.add();
  SENNIT_PROBE2(steal, index, victim.index);
  record(trace_kind::steal, 0, victim.index);
}

/// Looks at the other workers' queues; true if anything was moved to ours. Stays a searcher if not: sleep() ends it.
bool worker::search() noexcept {
  if (home.workers().size() == 1) return false;
  // Who was woken has been told of work. Who has run out of it by itself, and found nothing the last time, goes to
  // sleep, which looks at the queues once more.
  if (!searching_ && !(search_pays_ && home.idle.try_search())) return false;
  searching_ = true;
  return search_pays_ = look_at_others();
}

bool worker::look_at_others() noexcept {
  constexpr int rounds = 4;
  const auto peers = home.workers();
  std::array<std::uint64_t, 64> seen{};
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; round > 0 && i < 64; ++i) cpu_pause();
    const auto start = dice.below(static_cast<std::uint32_t>(peers.size()));
    for (std::size_t i = 0; i < peers.size(); ++i) {
      worker& victim = *peers[(start + i) % peers.size()];
      if (&victim == this) continue;
      if (victim.queue_.steal_into(queue_) > 0) {
        note_steal(victim);
        return true;
      }
      // A fiber in the LIFO slot is about to run there, on a warm cache: only a victim that makes no progress from one
      // round to the next is relieved of it.
      std::uint64_t& mark = seen[victim.index % seen.size()];
      if (fiber_block* f = round > 0 ? victim.take_stuck_next(mark) : nullptr) {
        push_back(f);
        note_steal(victim);
        return true;
      }
      mark = victim.switches();
    }
    if (take_from_outside()) return true;
  }
  return false;
}

void worker::sleep() noexcept {
  const bool nobody_searches = home.idle.enter(index, searching_);
  searching_ = false;
  if (nobody_searches && home.any_work()) home.notify();
  fiber_chain out;
  // From 0 to 1 only: a waker that was here before has left a 2, then there is no sleep.
  std::uint32_t awake = 0;
  if (sleep_word_.compare_exchange_strong(awake, 1, seq_cst, seq_cst)) {  // mm:sleep-word
    const spin_guard token(poll_token_);                                  // whoever polls in our place does so briefly
    nanos timeout = timers.next_deadline();
    if (timeout != never) {
      const nanos now = home.outside().now();
      // A crowd of sleepers is woken in batches: to sleep and to wake costs as much CPU as ten timers.
      if (timers.size() >= crowd_of_timers) timeout = std::max(timeout, timers_fired_ + timer_slack);
      timeout = std::max(timeout, now) - now;  // no overflow, whatever deadline a user gave
    }
    // The word again: whoever polled in our place just now may have swallowed the waker's event.
    const bool woken = sleep_word_.load(seq_cst) != 1;  // mm:sleep-word
    if (woken || !mailbox_.empty() || home.state() == scheduler::phase::stopping) timeout = 0;
    counters.sleeps.add();
    record(trace_kind::sleep);
    const nanos slept = asleep_.load(relaxed);  // mm:worker-asleep
    const nanos begin = home.outside().now();
    pace_.note(switches_.get(), begin);
    asleep_.store(slept - begin, relaxed);  // mm:worker-asleep
    poll_locked(timeout, out);
    pace_.note(switches_.get(), last_poll());
    asleep_.store(asleep(last_poll()), relaxed);  // mm:worker-asleep
    poll_pays_ = last_poll() - begin < brief_sleep;
    record(trace_kind::wake);
  }
  sleep_word_.exchange(0, seq_cst);  // mm:sleep-word: synchronises with the waker whose 2 it may overwrite
  searching_ = home.idle.leave(index);
  home.worker_woke();
  requeue(std::move(out));
  poll_at_ = outside_at_ = switches_.get() + poll_interval_min;
  choose_next_look();
}

void worker::wake() noexcept {
  if (sleep_word_.exchange(2, seq_cst) != 1) return;  // mm:sleep-word
  waker_.wake();
  if (worker* me = this_worker(); me != nullptr) me->counters.wakes.add();
}

}  // namespace sennit::inline v0::detail

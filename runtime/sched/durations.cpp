#include "sched/durations.hpp"

#include "sched/census.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {

/// By dice: at a fixed distance, of two fibers that take turns it would always be the same one.
void worker::choose_next_timed() noexcept {
  std::uint64_t seen = time_at_.load(relaxed);  // mm:time-at
  if (trace.on()) return;
  const std::uint64_t next = switches_.get() + 1 + dice.below(2 * slices_per_sample - 1);
  time_at_.compare_exchange_strong(seen, next, relaxed, relaxed);  // mm:time-at: unless a recording has begun meanwhile
}

/// `f` is about to run: what was timed until here ends.
SENNIT_NO_TSAN void worker::begin_timing(fiber_block& f) noexcept {
  const nanos now = home.outside().now();
  const timed until_now = f.timing;
  f.timing = timed::no;
  if (until_now == timed::ready) times.latency.record(now - f.wait.since);
  // A joiner that the end of its fiber switches to is ready and runs at one time.
  if (until_now == timed::waiting) times.waits[static_cast<std::size_t>(f.wait_for)].record(now - f.wait.since);
  if (f.time_next_slice) {
    f.time_next_slice = false;
    f.callbacks |= slice_is_timed;
    slice_began_ = now;
  }
  if (!trace.on()) return;
  trace_event e{.at = now, .kind = trace_kind::run, .fiber = f.id};
  if (until_now == timed::ready) e.arg = static_cast<std::uint64_t>(f.wait.since);
  f.name().copy(e.name.data(), e.name.size());
  trace.record(e);
}

/// `me`, whose slice is timed, is about to leave, and its wait or its turn in the queue is timed next.
SENNIT_NO_TSAN void worker::end_timing(fiber_block& me, bool final) noexcept {
  me.callbacks = 0;
  const nanos now = home.outside().now();
  times.slice.record(now - slice_began_);
  if (trace.on()) {
    trace.record({.at = now,
                  .kind = final ? trace_kind::finish : trace_kind::leave,
                  .what = final ? wait_kind::none : me.wait_for,
                  .fiber = me.id});
  }
  if (final) return;
  me.wait.since = now;
  me.timing = me.wait_for == wait_kind::none ? timed::ready : timed::waiting;
}

/// `f` was claimed by the caller, and is about to be queued.
SENNIT_NO_TSAN void scheduler::time_wait(fiber_block& f) noexcept {
  worker* w = this_worker();
  const nanos now = host_->now();
  const bool here = w != nullptr && &w->home == this;
  trace_slot& trace = here ? w->trace : trace_outside;
  if (trace.on()) trace.record({.at = now, .kind = trace_kind::ready, .what = f.wait_for, .fiber = f.id});
  durations& times = here ? w->times : workers_.front()->times;
  times.waits[static_cast<std::size_t>(f.wait_for)].record(now - f.wait.since);
  f.wait.since = now;
  f.timing = timed::ready;
}

void worker::record(trace_kind kind, std::uint64_t fiber, std::uint64_t arg) noexcept {
  if (!trace.on()) [[likely]]
    return;
  trace.record({.at = home.outside().now(), .kind = kind, .fiber = fiber, .arg = arg});
}

runtime_metrics scheduler::metrics() const {
  runtime_metrics m;
  m.name = name_;
  m.total = stats();
  m.queued_outside = injected.size();
  m.stack_bytes_cached = stacks.stats().cached_bytes;
  std::array<duration_histogram, wait_kinds> waits{};
  const nanos now = host_->now();
  for (const auto& w : workers_) {
    const worker_counters& c = w->counters;
    m.workers.push_back({.spawned = c.spawned.get(),
                         .finished = c.finished.get(),
                         .switches = w->switches(),
                         .parks = c.parks.get(),
                         .steals = c.steals.get(),
                         .polls = c.polls.get(),
                         .poll_events = c.poll_events.get(),
                         .registrations = c.registrations.get(),
                         .reads = c.reads.get(),
                         .writes = c.writes.get(),
                         .wakes = c.wakes.get(),
                         .preemptions = c.preemptions.get(),
                         .sleeps = c.sleeps.get(),
                         .asleep = std::chrono::nanoseconds(w->asleep(now)),
                         .queued = w->queued(),
                         .timers = w->timers.size()});
    w->times.latency.add_to(m.latency);
    w->times.slice.add_to(m.slice);
    for (std::size_t kind = 0; kind < wait_kinds; ++kind) w->times.waits[kind].add_to(waits[kind]);
  }
  for (std::size_t kind = 0; kind < wait_kinds; ++kind) {
    if (waits[kind].count() > 0) m.waits.emplace_back(name_of(static_cast<wait_kind>(kind)), waits[kind]);
  }
  return m;
}

}  // namespace sennit::inline v0::detail

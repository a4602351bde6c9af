#include "sched/monitor.hpp"

#include <algorithm>
#include <unordered_set>

#include "base/futex.hpp"
#include "base/log.hpp"
#include "base/probes.hpp"
#include "base/sanitizer.hpp"
#include "base/system.hpp"
#include "sched/current.hpp"
#include "sched/deadlock.hpp"
#include "sched/frame_names.hpp"
#include "sched/idle_thread.hpp"
#include "sched/scheduler.hpp"
#include "sched/stack_probe.hpp"
#include "sched/thread_use.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr nanos takeover_after = 1'000'000;       // a poller that nobody looked at for so long is taken over
constexpr nanos without_reports = 10'000'000;     // between the ticks for one worker whose stalls nobody wants to know
constexpr nanos report_interval = 1'000'000'000;  // at most one stall report a second
constexpr std::size_t room_in_log = 1'800;        // for a backtrace: innermost frames are kept
constexpr nanos look_interval = 1'000'000'000;    // between two searches for a deadlock at least, and
constexpr nanos unused_for = 1'000'000'000;       // for so long a stack's memory stays whatever the budget
constexpr nanos look_pause = 1000;                // so many times as long as the search took
constexpr int calm_ticks = 10;                    // so many ticks with all workers asleep, then the monitor sleeps too

/// The lines that a message of the log has room for.
std::string shortened(std::string lines) {
  while (lines.size() > room_in_log) lines.resize(lines.rfind('\n', lines.size() - 1));
  return lines;
}

}  // namespace

bool monitor::nobody_else_moves() const noexcept {
  const bool timers = std::ranges::any_of(watched_.workers(), [](const auto& w) { return w->timers.size() != 0; });
  // The workers, this thread, and ThreadSanitizer's.
  const std::size_t harmless = watched_.workers().size() + 1 + SENNIT_TSAN;
  return !timers && threads_of_process() == harmless + idle_thread::count();
}

void monitor::start() {
  watches_.resize(watched_.workers().size());
  thread_ = std::thread([this] { run(); });
}

void monitor::stop() noexcept {
  stop_.store(1, seq_cst);  // mm:monitor-stop
  rouse();
  futex_wake(stop_.address(), 1);
  if (thread_.joinable()) thread_.join();
}

void monitor::rouse() noexcept {
  if (asleep_.exchange(0, seq_cst) != 0) futex_wake(asleep_.address(), 1);  // mm:monitor-asleep
}

void monitor::run() noexcept {
  name_this_thread("sennit-monitor");
  host& outside = watched_.outside();
  // One worker: nobody could run what a takeover makes ready, only the report is left.
  const nanos stall = watched_.settings().stall_threshold.count();
  const nanos period = watched_.workers().size() > 1 ? takeover_after
                       : stall > 0                   ? std::max<nanos>(stall / 2, takeover_after)
                                                     : without_reports;
  next_look_ = outside.now();
  int calm = 0;
  while (stop_.load(seq_cst) == 0) {  // mm:monitor-stop
    calm = watched_.idle.awake() == 0 ? calm + 1 : 0;
    const bool all_asleep = calm > calm_ticks;
    // Beside work it is not urgent, and costs those who work some time.
    if (!looked_ && outside.now() >= (all_asleep ? next_look_ : next_look_ + look_interval)) {
      look_for_deadlock(all_asleep);
      looked_ = all_asleep;  // else somebody still moves
    }
    if (all_asleep) {
      asleep_.store(1, seq_cst);  // mm:monitor-asleep
      watched_.feed();            // a fiber may have starved since the last tick, unseen by the last stack's return
      // A worker that wakes after this look sees the flag; one that woke before is seen here.
      if (watched_.idle.awake() == 0 && stop_.load(seq_cst) == 0) {  // mm:monitor-stop
        futex_wait(asleep_.address(), 1, next_duty());
      }
      if (asleep_.exchange(0, seq_cst) == 0 || watched_.idle.awake() != 0) {  // mm:monitor-asleep
        looked_ = false;
        calm = 0;
      }
    }
    const bool preempts = std::ranges::any_of(watched_.workers(), [](const auto& w) { return w->region_slice() != 0; });
    futex_wait(stop_.address(), 0, outside.now() + (preempts ? takeover_after : period));
    tick(outside.now());
  }
}

/// With all workers asleep.
nanos monitor::next_duty() const noexcept {
  return std::min(looked_ ? never : next_look_, watched_.stacks.above_budget() ? next_give_back_ : never);
}

void monitor::tick(nanos now) noexcept {
  if (now >= next_give_back_ && !watched_.stacks.give_back()) next_give_back_ = now + unused_for;
  watched_.feed();
  const nanos stall = watched_.settings().stall_threshold.count();
  for (const auto& w : watched_.workers()) {
    watch& seen = watches_[w->index];
    const fiber_block* running = w->seen_running();
    if (running == nullptr || w->switches() != seen.switches) {
      const bool watched = running != nullptr && stall > 0;
      seen = {.switches = w->switches(), .since = now, .cpu = watched ? thread_cpu_time(w->thread()) : 0};
    }
    const nanos stuck = now - seen.since;
    if (const nanos slice = w->region_slice(); slice != 0 && stuck >= slice) w->ask_to_preempt();
    if (watched_.workers().size() > 1 && running != nullptr) {
      fiber_chain out;
      if (now - w->last_poll() >= takeover_after) w->poll_ready(out);
      if (stuck >= takeover_after) {
        w->let_others_help(seen.switches);
        if (fiber_block* f = w->take_stuck_next(seen.switches)) out.push_back(f);
      }
      if (!out.empty()) {
        takeovers_.add();
        log(log_level::debug, "worker %u does not switch: what waits for it runs elsewhere", w->index);
        watched_.inject(std::move(out));
      } else if (stuck >= takeover_after && w->has_shared_work()) {
        // Queued when everybody else slept, by who expected to run it soon: a yield, or a poll.
        watched_.notify();
      }
    }
    // A worker that is ready to run and gets no CPU is no fault of the fiber: others keep the machine busy.
    const auto at_fault = [&] {
      return seen.cpu < 0 || thread_cpu_time(w->thread()) - seen.cpu >= stall || thread_waits(w->thread());
    };
    if (stall > 0 && running != nullptr && stuck >= stall && !seen.reported && now >= next_report_ && at_fault()) {
      seen.reported = true;
      next_report_ = now + report_interval;
      stalls_.add();
      SENNIT_PROBE2(stall, running->id, w->index);
      if (watched_.trace_outside.on())
        watched_.trace_outside.record({.at = now, .kind = trace_kind::stall, .fiber = running->id, .arg = w->index});
      report(*w, *running, stuck);
    }
  }
}

// The block is type-stable; a name torn by a new fiber in it is still zero-terminated.
void monitor::report(worker& at, const fiber_block& running, nanos stuck) noexcept {
  const std::uint64_t id = running.id;
  std::string where;
  try {
    if (const probed_stack found = probe_stack(at); found.id == id)
      where = shortened(frame_names().lines(found.frames));
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): then without
  }
  log(log_level::warn, "worker %u has run fiber '%s' (id %llu) for %lld ms without a switch: use sennit::blocking()%s",
      at.index, running.name().data(), static_cast<unsigned long long>(id), static_cast<long long>(stuck / 1'000'000),
      where.c_str());
}

std::vector<fiber_view> monitor::look_again(const std::vector<one_wait>& at) const {
  std::unordered_set<std::uint64_t> ids;
  for (const one_wait& w : at) ids.insert(w.fiber);
  std::vector<fiber_view> seen;
  take_census(watched_, nullptr, [&](fiber_view&& f) {
    if (ids.contains(f.id)) seen.push_back(std::move(f));
  });
  return seen;
}

void monitor::look_for_deadlock(bool all_asleep) noexcept {
  const nanos begin = clock_now();
  try {
    wait_graph waits;
    take_census(watched_, nullptr, [&](const fiber_view& f) { waits.add(f); });
    std::vector<one_wait> found = waits.circle();
    const char* what = "fibers wait for each other in a circle";
    if (found.empty() && all_asleep && nobody_else_moves()) {
      found = waits.all_if_none_can_move();
      what = "fibers are all there are, and nothing is left that could wake them";
    }
    // Seen one after the other. If each still is in the same wait, and for the same one, they all were at one time.
    if (const std::string lines = found.empty() || found == told_ ? "" : lines_of(found, look_again(found));
        !lines.empty()) {
      deadlocks_.add();
      log(log_level::warn, "deadlock in runtime '%s': %zu %s:%s", watched_.name().c_str(), found.size(), what,
          shortened(lines).c_str());
      told_ = std::move(found);
    }
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): another time
  }
  const nanos end = clock_now();
  next_look_ = end + std::max(look_interval, look_pause * (end - begin));
}

}  // namespace sennit::inline v0::detail

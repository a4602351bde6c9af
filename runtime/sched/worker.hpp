#pragma once
// One thread that runs fibers: its queues, its poller, its timers, and the only switch away from a fiber.
#include <pthread.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/host.hpp"
#include "base/random.hpp"
#include "context/context.hpp"
#include "context/tsan_section.hpp"
#include "fiber/block_slab.hpp"
#include "poller/io_slot.hpp"
#include "poller/poller.hpp"
#include "poller/waker.hpp"
#include "queue/inject_queue.hpp"
#include "queue/run_queue.hpp"
#include "queue/timer_queue.hpp"
#include "sched/counter.hpp"
#include "sched/durations.hpp"
#include "sched/pace.hpp"
#include "sched/tracer.hpp"
#include "stack/stack_cache.hpp"

namespace sennit::inline v0::detail {

class scheduler;
class preempt_region;
struct stack_probe;

struct worker_counters {
  counter spawned, finished, parks, steals, polls, poll_events, registrations, reads, writes, wakes, sleeps;
  counter preemptions;
  counter bound, unbound;  // stacks given to fibers and returned
};

/// Owned by its scheduler. Its thread runs run(); fibers on that thread call the "fiber side"; the rest says who may.
class worker {
 public:
  /// What runs on the next context right after `left` is off its stack.
  using after_switch_fn = void (*)(worker& w, fiber_block& left, void* arg) noexcept;

  worker(scheduler& home, unsigned index);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Thread body: runs fibers until the scheduler stops its workers.
  void run() noexcept;

  // --- fiber side: on the worker's thread, from the running fiber ---

  /// Leaves `me` for the next ready fiber or the worker's own context; `after` then publishes `me`. Returns, when `me`
  /// is resumed, the worker that it is on now.
  worker* leave(fiber_block& me, after_switch_fn after, void* arg) noexcept;
  /// Runs others first; returns the worker that `me` is on then. Returns at once if nobody is ready.
  worker* yield(fiber_block& me) noexcept;
  /// A fiber that the running one made ready, or an urgent one: it runs next, unless that slot was used three times in
  /// a row, or an urgent one is there and this is not. True if one had to leave the slot for the queue.
  bool push_next(fiber_block* f) noexcept {
    // Others only empty the slot: when we see it empty, it stays so.
    if (next_.load(relaxed) != nullptr) return displace_next(f);  // mm:lifo-slot
    next_.store(f, release);                                      // mm:lifo-slot
    return false;
  }
  /// To the end of the queue.
  void push_back(fiber_block* f) noexcept {
    if (!queue_.push(f)) [[unlikely]]
      push_outside(f);
  }
  /// From outside: an urgent one runs next.
  void push_back(fiber_chain&& chain) noexcept;
  /// The thread's exception state, for switch_context.
  [[nodiscard]] SENNIT_NO_TSAN exception_state& live_exceptions() const noexcept { return *live_; }
  [[nodiscard]] fiber_block* running() const noexcept { return running_.load(relaxed); }  // mm:worker-running

  // --- any thread ---

  /// What runs there now: type-stable, but perhaps another fiber's block the next moment.
  [[nodiscard]] const fiber_block* seen_running() const noexcept {
    return running_.load(acquire);  // mm:worker-running
  }

  /// Polls this worker's poller and timers without blocking, if nobody else does just now; what became ready is
  /// appended to `out`. The owner calls it, and whoever takes over a worker that is stuck in user code.
  bool poll_ready(fiber_chain& out) noexcept;
  /// Wakes the worker if it sleeps or is about to.
  void wake() noexcept;
  /// For stack_probe.cpp: a question, whose signal is on its way. Taken by the worker's signal handler, or taken back
  /// by who asked. False if there is one already, or the thread has come to its end.
  [[nodiscard]] bool ask(stack_probe& p) noexcept;
  [[nodiscard]] stack_probe* take_probe() noexcept { return probe_.exchange(nullptr, acquire); }  // mm:probe
  /// Each one, as long as there is a recording. Any thread.
  void time_slices_from_now() noexcept {
    time_at_.store(0, seq_cst);  // mm:time-at
    look_at_.store(0, seq_cst);  // mm:look-at
  }
  /// On its thread, for rare events: those of every switch are recorded where it is timed.
  void record(trace_kind kind, std::uint64_t fiber = 0, std::uint64_t arg = 0) noexcept;
  /// Fiber side: from here on `r`'s fiber may be switched out. False: it must not, or is in a region already.
  [[nodiscard]] bool begin_region(preempt_region& r, nanos slice) noexcept;
  void end_region() noexcept;
  /// In the handler, on this worker's thread: lets others run, if what was interrupted at `pc` allows it.
  void preempt(const void* pc, std::uintptr_t sp) noexcept;
  /// For how long the running fiber may keep this worker; 0: for as long as it wants. Any thread.
  [[nodiscard]] nanos region_slice() const noexcept { return region_slice_.load(relaxed); }  // mm:region-slice
  /// Any thread.
  void ask_to_preempt() noexcept;
  /// A fiber that only this worker may run.
  void push_mailbox(fiber_block* f) noexcept;
  /// Takes the LIFO slot's fiber away from a worker that has not switched since `seen_switches`.
  [[nodiscard]] fiber_block* take_stuck_next(std::uint64_t seen_switches) noexcept;
  /// The fiber that has run since there were so many switches computes for long. What it makes ready is for others, at
  /// once: to wait in the slot for its end would be long too.
  void let_others_help(std::uint64_t seen_switches) noexcept {
    computes_since_.store(seen_switches, relaxed);  // mm:computes-since
  }
  [[nodiscard]] bool wants_help() const noexcept {
    return computes_since_.load(relaxed) == switches_.get();  // mm:computes-since
  }
  /// Its thread, once started and until joined.
  [[nodiscard]] pthread_t thread() const noexcept { return thread_; }
  [[nodiscard]] std::uint64_t switches() const noexcept { return switches_.get(); }
  [[nodiscard]] nanos last_poll() const noexcept { return now_.load(relaxed); }  // mm:worker-now
  /// How long it has slept, a sleep that it is in included. Any thread.
  [[nodiscard]] nanos asleep(nanos now) const noexcept {
    const nanos slept = asleep_.load(relaxed);  // mm:worker-asleep
    return slept < 0 ? slept + now : slept;
  }
  /// Work that another worker could take.
  [[nodiscard]] bool has_shared_work() const noexcept { return !queue_.empty(); }
  [[nodiscard]] std::size_t queued() const noexcept {
    const std::size_t next = next_.load(relaxed) != nullptr ? 1 : 0;  // mm:lifo-slot
    return queue_.size() + mailbox_.size() + next;
  }
  [[nodiscard]] bool has_work() const noexcept {
    return !queue_.empty() || !own_.empty() || next_.load(relaxed) != nullptr || !mailbox_.empty();  // mm:lifo-slot
  }

  scheduler& home;
  const unsigned index;
  poller poll;
  timer_queue timers;
  worker_counters counters;
  durations times;
  trace_slot trace;
  block_cache blocks;
  tsan_thread tsan;
  stack_cache stacks;
  random_source dice;  // its thread's

 private:
  friend class scheduler;
  friend struct debug_layout;

  fiber_block* pick_next() noexcept;
  [[gnu::always_inline]] inline fiber_block* pick_queued() noexcept;
  fiber_block* pick_after_look() noexcept;
  [[nodiscard]] bool must_look() const noexcept { return switches_.get() >= look_at_.load(relaxed); }  // mm:look-at
  void choose_next_look() noexcept;
  fiber_block* fetch_after(fiber_block* f) const noexcept;
  fiber_block* next_for_root() noexcept;
  bool search() noexcept;
  bool look_at_others() noexcept;
  void stop_searching() noexcept;
  void sleep() noexcept;
  void maintain() noexcept;
  void requeue(fiber_chain&& chain) noexcept;
  void execute(fiber_block* f) noexcept;
  context* enter(fiber_block* f) noexcept;
  [[gnu::noinline]] bool bind(fiber_block* f) noexcept;
  void choose_next_timed() noexcept;
  void note_steal(const worker& victim) noexcept;
  [[gnu::noinline]] void begin_timing(fiber_block& f) noexcept;
  [[gnu::noinline]] void look_closer(fiber_block& me, bool final) noexcept;
  void end_timing(fiber_block& me, bool final) noexcept;
  [[gnu::always_inline]] inline context& choose_next(fiber_block& me, after_switch_fn after, void* arg) noexcept;
  last_switch leave_for_good(fiber_block& me) noexcept;
  bool displace_next(fiber_block* f) noexcept;
  context* enter_other(fiber_block& me, bool final) noexcept;
  context* enter_joiner(fiber_block& me) noexcept;
  void push_outside(fiber_block* f) noexcept;
  void after_switch() noexcept;
  std::size_t poll_locked(nanos timeout, fiber_chain& out) noexcept SENNIT_REQUIRES(poll_token_);
  void expire_timers(nanos now, fiber_chain& out) noexcept SENNIT_REQUIRES(poll_token_);
  bool take_from_outside() noexcept;
  static last_switch fiber_entry(void* transfer) noexcept;
  static void finish(worker& w, fiber_block& f, void* joiner) noexcept;

  static constexpr std::uint32_t lifo_limit = 3;
  static constexpr std::uint32_t look_interval = 61;
  static constexpr std::uint32_t poll_interval_min = look_interval;
  static constexpr std::uint32_t poll_interval_max = 1024;

  // Touched by every switch.
  context root_;
  exception_state* live_ = nullptr;
  atomic<fiber_block*> running_{nullptr};
  struct {
    after_switch_fn fn = nullptr;
    fiber_block* left = nullptr;
    void* arg = nullptr;
  } after_;
  counter switches_;
  atomic<std::uint64_t> time_at_{slices_per_sample};
  nanos slice_began_ = 0;  // of one that is timed
  // Values of switches_: at the first of the others, pick_next() does not go straight to the queues; then the root must
  // poll; the queues of others' fibers are looked at; and a slice is timed (time_at_).
  atomic<std::uint64_t> look_at_{look_interval};
  std::uint64_t poll_at_ = poll_interval_min;
  std::uint64_t outside_at_ = look_interval;
  std::uint32_t poll_interval_ = poll_interval_min;
  std::uint32_t lifo_uses_ = 0;
  atomic<std::uint64_t> computes_since_{~std::uint64_t{0}};  // of switches_; of another value nothing is known
  atomic<fiber_block*> next_{nullptr};                       // LIFO slot
  run_queue<> queue_;
  fiber_chain own_;  // from the mailbox: only this worker may run them, so they are out of the thieves' reach
  bool own_turn_ = false;

  // Touched by others.
  alignas(64) inject_queue mailbox_;
  atomic<std::uint32_t> sleep_word_{0};  // 0 awake, 1 blocked or about to, 2 woken
  waker waker_;
  spin_lock poll_token_;
  std::array<poll_event, 64> events_ SENNIT_GUARDED_BY(poll_token_);
  nanos timers_fired_ SENNIT_GUARDED_BY(poll_token_) = 0;  // when the last poll came that found a timer due
  atomic<nanos> now_{0};                                   // clock of the last poll
  atomic<nanos> asleep_{0};                                // spent asleep; less the beginning of a sleep it is in
  atomic<stack_probe*> probe_{nullptr};
  preempt_region* region_ = nullptr;  // of the running fiber; this thread's, its handler's too
  atomic<nanos> region_slice_{0};
  spin_lock thread_lock_;  // held while the thread is sent a signal
  bool joined_ SENNIT_GUARDED_BY(thread_lock_) = false;
  pace pace_;
  bool searching_ = false;
  bool poll_pays_ = true;    // when there is nothing to run: a look at the poller before it goes to sleep there
  bool search_pays_ = true;  // the same: a look at the others
  bool started_ = false;
  pthread_t thread_{};
};

/// The end of a fiber that has left its stack, or never had one: its owner and joiners learn of it, the runtime's
/// reference goes. `w` is the calling worker, null on a plain thread.
void conclude(scheduler& home, worker* w, fiber_block& f) noexcept;

}  // namespace sennit::inline v0::detail

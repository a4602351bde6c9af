#pragma once
// The core of a runtime: its workers and what they share.
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <sennit/runtime.hpp>

#include "base/probes.hpp"
#include "fiber/block_slab.hpp"
#include "queue/inject_queue.hpp"
#include "sched/idle_set.hpp"
#include "sched/monitor.hpp"
#include "sched/process.hpp"
#include "sched/tracer.hpp"
#include "sched/worker.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::inline v0::detail {

/// Something of a higher floor that lives as long as a scheduler: helper threads, rings.
class scheduler_part {
 public:
  virtual ~scheduler_part() = default;
};

/// Owned by one `runtime`. Any thread, unless a function says otherwise.
class scheduler {
 public:
  scheduler(runtime& face, const options& opts);
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// A block for a new fiber that is not yet runnable; nullptr without memory.
  fiber_block* allocate() noexcept;
  /// Gives up a reference to `f`.
  static void release(fiber_block& f, worker* w) noexcept;
  /// Appends the fibers of one part of all there are, some hundred at most, each with a reference that the caller gives
  /// up by release(). Parts are numbered from 0; false: there is none of this number. Throws bad_alloc.
  bool hold_fibers(std::size_t part, std::vector<fiber_block*>& out);
  /// `at`, if it is a fiber of this runtime: one that may have ended, and its block serve another one.
  [[nodiscard]] const fiber_block* fiber_at(const waiter* at) const noexcept;
  /// Makes a new fiber runnable.
  void start(fiber_block& f) noexcept;

  /// Queues a claimed fiber of this runtime, from wherever the caller is.
  void make_ready(fiber_block& f) noexcept;
  /// Queues fibers of this runtime at the end of `w`'s queue, or where a pin or force_migrate wants them; of a chain,
  /// which others made ready, an urgent fiber runs next. On w's thread.
  void requeue(worker& w, fiber_block& f) noexcept;
  void requeue(worker& w, fiber_chain&& chain) noexcept;
  /// Queues fibers for any worker and wakes one.
  void inject(fiber_chain&& chain) noexcept;
  /// After work was queued where others can take it: wakes a worker if one sleeps and none searches.
  void notify() noexcept;

  /// Stack shortage: keeps `f` until a stack comes free, or fails it if none is in use.
  void starve(fiber_block* f, std::error_code why) noexcept;
  /// A stack was returned: lets a starved fiber try again.
  void feed() noexcept;

  /// True in the child of a fork(): the workers do not exist in this process.
  [[nodiscard]] bool lost_by_fork() const noexcept { return generation_ != fork_generation(); }

  enum class phase : std::uint32_t { running, draining, stopping };
  [[nodiscard]] phase state() const noexcept { return phase_.load(seq_cst); }  // mm:phase
  [[nodiscard]] bool draining() const noexcept { return state() != phase::running; }
  /// A worker left its sleep: the monitor must watch again.
  void worker_woke() noexcept;
  /// A fiber ended: wakes shutdown() if it waits for the last one.
  void fiber_ended() noexcept;
  bool shutdown(nanos timeout);

  [[nodiscard]] std::span<const std::unique_ptr<worker>> workers() const noexcept { return workers_; }
  [[nodiscard]] runtime_stats stats() const;
  [[nodiscard]] runtime_metrics metrics() const;
  [[nodiscard]] host& outside() const noexcept { return *host_; }
  [[nodiscard]] const options& settings() const noexcept { return options_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] runtime& face() const noexcept { return face_; }
  [[nodiscard]] stack_class default_stack() const noexcept { return default_stack_; }

  using make_part = std::unique_ptr<scheduler_part> (*)();
  /// The part that `make` makes at the first call with it. Destroyed in reverse order, when no worker runs any more.
  scheduler_part& part(make_part make);

  inject_queue injected;
  idle_set idle;
  trace_slot trace_outside;     // of threads that are none of its workers
  tracer* recording = nullptr;  // guarded by the lock of all recordings

 private:
  std::unique_ptr<stack_pool> stack_pool_;

 public:
  stack_pool& stacks;

 private:
  friend class worker;
  friend class monitor;
  friend struct debug_layout;
  [[nodiscard]] bool any_work() const noexcept;
  [[nodiscard]] bool all_ended() const noexcept;
  void stop_all_fibers() noexcept;
  /// `f` is about to be queued.
  void end_wait(fiber_block& f) noexcept {
    SENNIT_PROBE1(ready, f.id);
    if (f.wait_is_timed()) [[unlikely]]
      time_wait(f);
  }
  [[gnu::noinline]] void time_wait(fiber_block& f) noexcept;
  void name_the_rest() noexcept;
  bool abandon_rest() noexcept;  // true if stacks were left in the middle of something
  void start_threads();
  void stop_threads() noexcept;

  runtime& face_;
  const options options_;
  const std::string name_;
  host* const host_;
  const stack_class default_stack_;
  block_slab* const slab_;
  const unsigned generation_;
  atomic<phase> phase_{phase::running};
  atomic<std::uint32_t> ended_{0};            // futex: bumped by fiber_ended() while draining
  atomic<std::uint64_t> spawned_outside_{0};  // by plain threads
  atomic<std::uint32_t> wakers_inside_{0};    // threads of others inside make_ready(): the destructor waits for them
  atomic<std::uint32_t> migrate_turn_{0};     // force_migrate: round robin
  inject_queue starved_;
  std::vector<std::unique_ptr<worker>> workers_;
  std::unique_ptr<monitor> monitor_;
  std::mutex part_mutex_;
  std::vector<std::pair<make_part, std::unique_ptr<scheduler_part>>> parts_;
};

}  // namespace sennit::inline v0::detail

#pragma once
// The scheduler's events, in a ring for each worker and one for all other threads.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"
#include "base/time.hpp"
#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

class scheduler;

enum class trace_kind : std::uint8_t {
  run,     // begins to run; `name` is its own, `arg` when it was made ready, 0 if that is not known
  leave,   // ends to run: waits for `what`, yields if that is none
  finish,  // ends to run, for ever
  ready,   // `fiber` is made ready
  spawn,   // `fiber` is the child
  steal,   // from worker `arg`
  poll,    // brought `arg` events
  sleep,   // of the worker
  wake,    // of the worker, from its sleep
  stall,   // of worker `arg` was reported
};

struct trace_event {
  nanos at = 0;
  trace_kind kind = trace_kind::run;
  wait_kind what = wait_kind::none;
  std::uint64_t fiber = 0;
  std::uint64_t arg = 0;
  std::array<char, 24> name{};
};

/// The latest events of one thread.
struct trace_ring {
  std::vector<trace_event> events;
  std::uint64_t written = 0;

  void push(const trace_event& e) noexcept { events[written++ % events.size()] = e; }
  /// Oldest first. Throws bad_alloc.
  [[nodiscard]] std::vector<trace_event> in_order() const;
};

/// Where a thread finds its ring while there is a recording.
class trace_slot {
 public:
  /// Without a recording one load.
  [[nodiscard]] bool on() const noexcept { return on_.load(relaxed); }  // mm:trace-on
  void record(const trace_event& e) noexcept {
    const spin_guard guard(lock_);
    if (into_ != nullptr) into_->push(e);
  }
  /// Null: nobody writes to the former one any more.
  void set(trace_ring* into) noexcept {
    const spin_guard guard(lock_);
    into_ = into;
    on_.store(into != nullptr, relaxed);  // mm:trace-on
  }

 private:
  spin_lock lock_;
  trace_ring* into_ SENNIT_GUARDED_BY(lock_) = nullptr;
  atomic<bool> on_{false};
};

/// One recording of one runtime.
class tracer {
 public:
  /// Throws bad_alloc.
  tracer(std::string runtime, std::size_t workers, std::size_t events_per_ring);

  /// False if somebody records it already. From here on, the rings are the runtime's.
  [[nodiscard]] bool start(scheduler& home) noexcept;
  /// Gives them back. Idempotent; the runtime may be gone.
  void stop() noexcept;
  /// The end of a runtime is the end of its recording.
  static void stop(scheduler& home) noexcept;

  const std::string runtime;
  std::vector<trace_ring> rings;  // of other threads, then of each worker

 private:
  void detach() noexcept;

  scheduler* home_ = nullptr;  // while it records; guarded by the lock of all recordings
};

}  // namespace sennit::inline v0::detail

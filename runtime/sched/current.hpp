#pragma once
// The thread_locals of the runtime: all of them, behind accessors that no compiler can cache over a switch.
#include "base/random.hpp"
#include "fiber/exit_list.hpp"
#include "fiber/waiter.hpp"

namespace sennit::inline v0::detail {

class local_map;
class worker;

/// The worker that runs on this thread; nullptr on a plain thread. After a switch ask again (or take what the switch
/// returned): the fiber may be on another thread.
[[nodiscard]] worker* this_worker() noexcept;
void set_this_worker(worker* w) noexcept;
/// The calling fiber, or the calling plain thread.
[[nodiscard]] waiter& current_waiter() noexcept;

/// A plain thread as a waiter: parks on a futex, or, while it does I/O, on poll(2) with a flag (base/system.hpp).
class thread_waiter final : public waiter {
 public:
  thread_waiter() noexcept;
  ~thread_waiter();
  /// The flag that ready() raises while polling; made at the first use, negative if none is to be had.
  [[nodiscard]] int wake_fd() noexcept;

  atomic<bool> polling{false};  // ready() must raise wake_fd, not the futex
  random_source dice;
  bool idle = false;  // counted as an idle_thread while parked: who claims it ends that

 private:
  int wake_fd_ = -1;
};

/// How many initialisers of function-local statics the calling thread is in; 0 without SENNIT_DEBUG_CHECKS.
#if SENNIT_DEBUG_CHECKS
[[nodiscard]] unsigned& static_initialisers() noexcept;
#else
constexpr unsigned static_initialisers() noexcept { return 0; }
#endif

/// The random source of this worker or plain thread. Not to be held over a switch.
[[nodiscard]] random_source& current_random() noexcept;

/// The values of this plain thread's fiber_locals; fibers have theirs in their control blocks.
[[nodiscard]] local_map*& this_thread_locals() noexcept;
/// From now on they are destroyed with the thread_locals.
void end_locals_with_thread() noexcept;

/// This plain thread's waiter. CHECK: not on a fiber.
[[nodiscard]] thread_waiter& this_thread_waiter() noexcept;

/// What this plain thread does at its end; nullptr once it has done it. Not on a fiber.
[[nodiscard]] exit_list* this_thread_exits() noexcept;

}  // namespace sennit::inline v0::detail

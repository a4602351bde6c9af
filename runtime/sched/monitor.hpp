#pragma once
// The monitor thread: watches for workers that are stuck in user code, serves their pollers and LIFO slots in their
// place, and reports them. It sleeps whenever all workers do.
#include <thread>
#include <vector>

#include "base/atomic.hpp"
#include "base/time.hpp"
#include "sched/counter.hpp"
#include "sched/deadlock.hpp"

namespace sennit::inline v0::detail {

class fiber_block;
class scheduler;
class worker;

/// Owned by its scheduler. start() and stop() by the scheduler; worker_woke() by workers.
class monitor {
 public:
  explicit monitor(scheduler& watched) : watched_(watched) {}
  void start();
  void stop() noexcept;
  /// A worker left its sleep: ends the monitor's own.
  void worker_woke() noexcept {
    if (asleep_.load(seq_cst) != 0) rouse();  // mm:monitor-asleep: after the idle word said that a worker is awake
  }
  [[nodiscard]] std::uint64_t takeovers() const noexcept { return takeovers_.get(); }
  [[nodiscard]] std::uint64_t stalls() const noexcept { return stalls_.get(); }
  [[nodiscard]] std::uint64_t deadlocks() const noexcept { return deadlocks_.get(); }

 private:
  /// What is known of one worker, from tick to tick.
  struct watch {
    std::uint64_t switches = 0;
    nanos since = 0;  // when `switches` was first seen
    nanos cpu = 0;    // what the thread had used then
    bool reported = false;
  };

  void run() noexcept;
  void tick(nanos now) noexcept;
  [[nodiscard]] nanos next_duty() const noexcept;
  void look_for_deadlock(bool all_asleep) noexcept;
  [[nodiscard]] std::vector<fiber_view> look_again(const std::vector<one_wait>& at) const;
  [[nodiscard]] bool nobody_else_moves() const noexcept;
  void report(worker& at, const fiber_block& running, nanos stuck) noexcept;
  void rouse() noexcept;
  void wait(nanos until) noexcept;

  scheduler& watched_;
  std::vector<watch> watches_;
  atomic<std::uint32_t> asleep_{0};  // futex: 1 while the monitor waits for a worker to wake
  atomic<std::uint32_t> stop_{0};    // futex
  nanos next_report_ = 0;
  bool looked_ = false;  // for a deadlock, since a worker was last awake
  nanos next_look_ = 0;
  nanos next_give_back_ = 0;  // of unused stacks' memory
  std::vector<one_wait> told_;
  counter takeovers_;
  counter stalls_;
  counter deadlocks_;
  std::thread thread_;
};

}  // namespace sennit::inline v0::detail

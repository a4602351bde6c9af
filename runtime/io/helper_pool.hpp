#pragma once
// Helper threads for calls that block: 0 to 64, first come first served, idle ones end after ten seconds.
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include <sennit/detail/task.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {

/// Owned by a scheduler; any fiber of it.
class helper_pool final : public scheduler_part {
 public:
  static constexpr std::size_t max_helpers = 64;

  ~helper_pool() override;

  /// Runs `work` on a helper while the calling fiber parks; rethrows what it throws. operation_canceled if a stop,
  /// ambient or the token's, comes before it has started.
  void run(task&& work, const stop_token& stop);
  /// The same with a deadline: 0 if it ran, else the case of park() that came before it had started. What has started
  /// is waited for, whatever comes.
  std::uint16_t try_run(task&& work, wait_bound until);

  /// The pool of `home`, made at the first use.
  static helper_pool& of(scheduler& home);

 private:
  /// One call: lives on the stack of the fiber that waits for it.
  struct job {
    task work;
    std::exception_ptr failure;
    wait_queue waiting;  // its lock guards done
    bool done = false;
    job* next = nullptr;
  };

  using helper = std::list<std::thread>::iterator;
  void serve(helper self) noexcept;
  bool withdraw(job& j);
  /// Deaf to everything but the job's end if `until` is null.
  static std::uint16_t wait(job& j, const wait_bound* until);

  std::mutex mutex_;
  std::condition_variable work_;
  job* first_ = nullptr;
  job* last_ = nullptr;
  std::size_t queued_ = 0;
  std::list<std::thread> helpers_;
  std::size_t idle_ = 0;  // helpers that wait for work
  bool stopping_ = false;
  std::condition_variable ended_;
  /// The helper that left last; it is joined by the next one that leaves, so that no thread of the pool, and none of
  /// the thread_locals in it, outlives the pool.
  std::thread left_;
};

}  // namespace sennit::inline v0::detail

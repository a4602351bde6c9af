#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

#include <sennit/detail/time.hpp>
#include <sennit/mutex.hpp>

namespace sennit::inline v0 {

/// std::condition_variable for sennit::mutex, between fibers, plain threads and both. Constant initialised. Waits are
/// ambient cancellation points: they throw std::system_error(operation_canceled) with the lock held again.
/// Wakes may be spurious to the caller in one way only: somebody else took what the notify was about. Destroy it when
/// no wait is under way (stricter than std: a wait that timed out still takes itself out of the queue).
class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Wakes the waiter that has waited longest, or all of them. With or without the mutex held.
  SENNIT_API void notify_one() noexcept;
  SENNIT_API void notify_all() noexcept;

  /// Releases the lock, parks until notified, locks again. CHECK: the lock is held.
  void wait(std::unique_lock<mutex>& lock) { wait_nanos(lock, detail::never); }
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate ready) {
    while (!ready()) wait(lock);
  }

  /// The same, bounded by `t` (the predicate form returns what the predicate says then).
  std::cv_status wait_until(std::unique_lock<mutex>& lock, std::chrono::steady_clock::time_point t) {
    return wait_nanos(lock, detail::to_nanos(t)) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, std::chrono::steady_clock::time_point t, Predicate ready) {
    while (!ready()) {
      if (wait_until(lock, t) == std::cv_status::timeout) return ready();
    }
    return true;
  }
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> d) {
    return wait_until(lock, detail::deadline_after(d));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> d, Predicate ready) {
    return wait_until(lock, detail::deadline_after(d), std::move(ready));
  }

 private:
  SENNIT_API bool wait_nanos(std::unique_lock<mutex>& lock, detail::nanos deadline);

  detail::wait_queue waiters_;
};

}  // namespace sennit::inline v0

#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <type_traits>

#include <sennit/detail/wait_bound.hpp>
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
  void wait(std::unique_lock<mutex>& lock) { wait_before(lock, {}); }
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate ready) {
    while (!ready()) wait(lock);
  }

  template <class M, class... Rest>
    requires(!std::is_same_v<M, mutex>)
  void wait(std::unique_lock<M>&, Rest&&...) {
    static_assert(
        sizeof(M) == 0,
        "sennit::condition_variable waits with a std::unique_lock of a sennit::mutex: use condition_variable_any "
        "for other locks");
  }

  /// The same, bounded by a deadline (the predicate forms return what the predicate says then).
  template <class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<mutex>& lock, const std::chrono::time_point<Clock, Duration>& t) {
    return wait_before(lock, {detail::deadline_at(t)}) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, const std::chrono::time_point<Clock, Duration>& t, Predicate ready) {
    return wait_ready(lock, {detail::deadline_at(t)}, ready);
  }
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock, const std::chrono::duration<Rep, Period>& d) {
    return wait_before(lock, {detail::deadline_in(d)}) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, const std::chrono::duration<Rep, Period>& d, Predicate ready) {
    return wait_ready(lock, {detail::deadline_in(d)}, ready);
  }

  /// The same, ended by the token's stop too: what the predicate says then, without an exception.
  template <class Predicate>
  bool wait(std::unique_lock<mutex>& lock, const stop_token& stop, Predicate ready) {
    return wait_ready(lock, {.stop = &stop}, ready);
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, const stop_token& stop,
                  const std::chrono::time_point<Clock, Duration>& t, Predicate ready) {
    return wait_ready(lock, {detail::deadline_at(t), &stop}, ready);
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, const stop_token& stop, const std::chrono::duration<Rep, Period>& d,
                Predicate ready) {
    return wait_ready(lock, {detail::deadline_in(d), &stop}, ready);
  }

 private:
  template <class Predicate>
  bool wait_ready(std::unique_lock<mutex>& lock, detail::wait_bound until, Predicate& ready) {
    while (!ready()) {
      if (!wait_before(lock, until)) return ready();
    }
    return true;
  }
  /// False if the deadline or the token's stop came first.
  SENNIT_API bool wait_before(std::unique_lock<mutex>& lock, detail::wait_bound until);

  detail::wait_queue waiters_;
};

/// std::notify_all_at_thread_exit's twin: when the calling fiber (or plain thread) has ended, its locals and
/// fiber_locals destroyed, wakes all waiters and then unlocks the mutex, which stays locked until then. Throws
/// std::bad_alloc. CHECK: the caller holds the lock.
SENNIT_API void notify_all_at_fiber_exit(condition_variable& cv, std::unique_lock<mutex> lock);

}  // namespace sennit::inline v0

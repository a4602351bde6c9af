#pragma once
#include <chrono>
#include <condition_variable>
#include <utility>

#include <sennit/detail/spin_lock.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/event.hpp>

namespace sennit::inline v0 {

/// std::condition_variable_any: for every BasicLockable, std's and sennit's, between fibers, plain threads and both.
/// Waits are ambient cancellation points: they throw std::system_error(operation_canceled) with the lock held again.
/// Constant initialised. Destroy it when no wait is under way.
class condition_variable_any {
 public:
  constexpr condition_variable_any() noexcept = default;
  condition_variable_any(const condition_variable_any&) = delete;
  condition_variable_any& operator=(const condition_variable_any&) = delete;

  /// Wakes the waiter that has waited longest, or all of them. With or without the lock held.
  SENNIT_API void notify_one() noexcept;
  SENNIT_API void notify_all() noexcept;

  /// Releases the lock, parks until notified, locks again.
  template <class Lock>
  void wait(Lock& lock) {
    wait_before(lock, {});
  }
  template <class Lock, class Predicate>
  void wait(Lock& lock, Predicate ready) {
    while (!ready()) wait(lock);
  }

  /// The same, bounded by a deadline (the predicate forms return what the predicate says then).
  template <class Lock, class Clock, class Duration>
  std::cv_status wait_until(Lock& lock, const std::chrono::time_point<Clock, Duration>& t) {
    return wait_before(lock, {detail::deadline_at(t)}) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Lock, class Clock, class Duration, class Predicate>
  bool wait_until(Lock& lock, const std::chrono::time_point<Clock, Duration>& t, Predicate ready) {
    return wait_ready(lock, {detail::deadline_at(t)}, ready);
  }
  template <class Lock, class Rep, class Period>
  std::cv_status wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& d) {
    return wait_before(lock, {detail::deadline_in(d)}) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Lock, class Rep, class Period, class Predicate>
  bool wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& d, Predicate ready) {
    return wait_ready(lock, {detail::deadline_in(d)}, ready);
  }

  /// The same, ended by the token's stop too: what the predicate says then, without an exception.
  template <class Lock, class Predicate>
  bool wait(Lock& lock, const stop_token& stop, Predicate ready) {
    return wait_ready(lock, {.stop = &stop}, ready);
  }
  template <class Lock, class Clock, class Duration, class Predicate>
  bool wait_until(Lock& lock, const stop_token& stop, const std::chrono::time_point<Clock, Duration>& t,
                  Predicate ready) {
    return wait_ready(lock, {detail::deadline_at(t), &stop}, ready);
  }
  template <class Lock, class Rep, class Period, class Predicate>
  bool wait_for(Lock& lock, const stop_token& stop, const std::chrono::duration<Rep, Period>& d, Predicate ready) {
    return wait_ready(lock, {detail::deadline_in(d), &stop}, ready);
  }

 private:
  template <class Lock, class Predicate>
  bool wait_ready(Lock& lock, detail::wait_bound until, Predicate& ready) {
    while (!ready()) {
      if (!wait_before(lock, until)) return ready();
    }
    return true;
  }
  /// False if the deadline or the token's stop came first.
  template <class Lock>
  bool wait_before(Lock& lock, detail::wait_bound until) {
    guest me(*this);
    lock.unlock();
    const relocking again(lock);
    return me.await(until);
  }

  /// A wait: listed from its beginning, so that a notify after the lock was released is for it, until a notify takes it
  /// from the list or it ends. The caller's lock may be anything, so it is not unlocked under a lock of ours.
  class guest {
   public:
    SENNIT_API explicit guest(condition_variable_any& of) noexcept;
    SENNIT_API ~guest();
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;

    /// False if the deadline or the token's stop came first.
    SENNIT_API bool await(detail::wait_bound until);

   private:
    friend condition_variable_any;
    /// Takes this from the list; true if a notify was first.
    bool leave() noexcept;

    condition_variable_any& of_;
    event notified_;
    guest* next_ = nullptr;
    guest* prev_ = nullptr;
    bool listed_ = true;
  };

  template <class Lock>
  struct relocking {
    Lock& lock;
    explicit relocking(Lock& l) noexcept : lock(l) {}
    ~relocking() { lock.lock(); }  // as in std, a lock that throws here ends the program
  };

  void unlist(guest& g) noexcept SENNIT_REQUIRES(lock_);

  detail::spin_lock lock_;
  guest* first_ SENNIT_GUARDED_BY(lock_) = nullptr;
  guest* last_ SENNIT_GUARDED_BY(lock_) = nullptr;
};

}  // namespace sennit::inline v0

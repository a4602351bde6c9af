#pragma once
#include <chrono>
#include <condition_variable>
#include <utility>

#include <sennit/detail/spin_lock.hpp>
#include <sennit/detail/time.hpp>
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
    wait_until(lock, std::chrono::steady_clock::time_point::max());
  }
  template <class Lock, class Predicate>
  void wait(Lock& lock, Predicate ready) {
    while (!ready()) wait(lock);
  }

  /// The same, bounded by `t` (the predicate form returns what the predicate says then).
  template <class Lock>
  std::cv_status wait_until(Lock& lock, std::chrono::steady_clock::time_point t) {
    guest me(*this);
    return me.wait(lock, t) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Lock, class Predicate>
  bool wait_until(Lock& lock, std::chrono::steady_clock::time_point t, Predicate ready) {
    while (!ready()) {
      if (wait_until(lock, t) == std::cv_status::timeout) return ready();
    }
    return true;
  }
  template <class Lock, class Rep, class Period>
  std::cv_status wait_for(Lock& lock, std::chrono::duration<Rep, Period> d) {
    return wait_until(lock, detail::deadline_after(d));
  }
  template <class Lock, class Rep, class Period, class Predicate>
  bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> d, Predicate ready) {
    return wait_until(lock, detail::deadline_after(d), std::move(ready));
  }

 private:
  /// A wait: listed from its beginning, so that a notify after the lock was released is for it, until a notify takes it
  /// from the list or it ends. The caller's lock may be anything, so it is not unlocked under a lock of ours.
  class guest {
   public:
    SENNIT_API explicit guest(condition_variable_any& of) noexcept;
    SENNIT_API ~guest();
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;

    /// False if `t` came first. The lock is held again, also if it throws.
    template <class Lock>
    bool wait(Lock& lock, std::chrono::steady_clock::time_point t) {
      lock.unlock();
      const relocking again(lock);
      try {
        return notified_.wait_until(t) || leave();
      } catch (...) {
        if (leave()) return true;  // a notify that was for us must not be lost; the stop is met at the next wait
        throw;
      }
    }

   private:
    friend condition_variable_any;
    template <class Lock>
    struct relocking {
      Lock& lock;
      explicit relocking(Lock& l) noexcept : lock(l) {}
      ~relocking() { lock.lock(); }  // as in std, a lock that throws here ends the program
    };
    /// Takes this from the list; true if a notify was first.
    SENNIT_API bool leave() noexcept;

    condition_variable_any& of_;
    event notified_;
    guest* next_ = nullptr;
    guest* prev_ = nullptr;
    bool listed_ = true;
  };

  void unlist(guest& g) noexcept SENNIT_REQUIRES(lock_);

  detail::spin_lock lock_;
  guest* first_ SENNIT_GUARDED_BY(lock_) = nullptr;
  guest* last_ SENNIT_GUARDED_BY(lock_) = nullptr;
};

}  // namespace sennit::inline v0

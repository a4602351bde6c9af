#pragma once
#include <chrono>
#include <cstddef>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {

/// std::shared_timed_mutex: one writer or many readers, between fibers, plain threads and both. Constant initialised.
/// First come, first served: who waits holds up those who come later, so neither readers nor writers starve; readers
/// that wait side by side go on together. Locking never observes a stop. Who holds it shared must not lock it again
/// (a writer may have come between). CHECKs: unlock by a non-owner, lock by the owner, unlock_shared without a reader,
/// destruction while locked.
class SENNIT_CAPABILITY("shared_mutex") shared_timed_mutex {
 public:
  constexpr shared_timed_mutex() noexcept = default;
  SENNIT_API ~shared_timed_mutex();
  shared_timed_mutex(const shared_timed_mutex&) = delete;
  shared_timed_mutex& operator=(const shared_timed_mutex&) = delete;

  void lock() noexcept SENNIT_ACQUIRE() SENNIT_NO_ANALYSIS { lock_before({}); }
  [[nodiscard]] SENNIT_API bool try_lock() noexcept SENNIT_TRY_ACQUIRE(true);
  SENNIT_API void unlock() noexcept SENNIT_RELEASE();
  /// False if the deadline came first, or the stop of the token (no other stop ends the wait); a deadline in the past
  /// tries once.
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& t,
                                    const stop_token& stop = {}) noexcept SENNIT_TRY_ACQUIRE(true) {
    return lock_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) noexcept
      SENNIT_TRY_ACQUIRE(true) {
    return lock_before({detail::deadline_in(d), &stop});
  }

  void lock_shared() noexcept SENNIT_ACQUIRE_SHARED() SENNIT_NO_ANALYSIS { lock_shared_before({}); }
  [[nodiscard]] SENNIT_API bool try_lock_shared() noexcept SENNIT_TRY_ACQUIRE_SHARED(true);
  SENNIT_API void unlock_shared() noexcept SENNIT_RELEASE_SHARED();
  /// False if the deadline came first, or the stop of the token (no other stop ends the wait); a deadline in the past
  /// tries once.
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration>& t,
                                           const stop_token& stop = {}) noexcept SENNIT_TRY_ACQUIRE_SHARED(true) {
    return lock_shared_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& d,
                                         const stop_token& stop = {}) noexcept SENNIT_TRY_ACQUIRE_SHARED(true) {
    return lock_shared_before({detail::deadline_in(d), &stop});
  }

 private:
  SENNIT_API bool lock_before(detail::wait_bound until) noexcept SENNIT_TRY_ACQUIRE(true);
  SENNIT_API bool lock_shared_before(detail::wait_bound until) noexcept SENNIT_TRY_ACQUIRE_SHARED(true);
  bool wait_turn(detail::waiter& self, bool exclusive, detail::wait_bound until) noexcept
      SENNIT_RELEASE(waiters_.lock) SENNIT_NO_ANALYSIS;
  template <class Chain>
  void let_in(Chain& chain) noexcept SENNIT_REQUIRES(waiters_.lock);

  detail::waiter* writer_ SENNIT_GUARDED_BY(waiters_.lock) = nullptr;
  std::size_t readers_ SENNIT_GUARDED_BY(waiters_.lock) = 0;
  detail::wait_queue waiters_;
};

/// std::shared_mutex: the same without deadlines.
class SENNIT_CAPABILITY("shared_mutex") shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  // The analysis knows this mutex, not the one inside.
  void lock() noexcept SENNIT_ACQUIRE() SENNIT_NO_ANALYSIS { mutex_.lock(); }
  [[nodiscard]] bool try_lock() noexcept SENNIT_TRY_ACQUIRE(true) SENNIT_NO_ANALYSIS { return mutex_.try_lock(); }
  void unlock() noexcept SENNIT_RELEASE() SENNIT_NO_ANALYSIS { mutex_.unlock(); }
  void lock_shared() noexcept SENNIT_ACQUIRE_SHARED() SENNIT_NO_ANALYSIS { mutex_.lock_shared(); }
  [[nodiscard]] bool try_lock_shared() noexcept SENNIT_TRY_ACQUIRE_SHARED(true) SENNIT_NO_ANALYSIS {
    return mutex_.try_lock_shared();
  }
  void unlock_shared() noexcept SENNIT_RELEASE_SHARED() SENNIT_NO_ANALYSIS { mutex_.unlock_shared(); }

 private:
  shared_timed_mutex mutex_;
};

}  // namespace sennit::inline v0

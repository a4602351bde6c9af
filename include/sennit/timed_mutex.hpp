#pragma once
#include <chrono>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/mutex.hpp>

namespace sennit::inline v0 {

/// std::timed_mutex: a mutex, whose lock may also be tried until a deadline. Meets TimedLockable.
class SENNIT_CAPABILITY("mutex") timed_mutex {
 public:
  constexpr timed_mutex() noexcept = default;
  timed_mutex(const timed_mutex&) = delete;
  timed_mutex& operator=(const timed_mutex&) = delete;

  // The analysis knows this mutex, not the one inside.
  void lock() noexcept SENNIT_ACQUIRE() SENNIT_NO_ANALYSIS { mutex_.lock(); }
  [[nodiscard]] bool try_lock() noexcept SENNIT_TRY_ACQUIRE(true) SENNIT_NO_ANALYSIS { return mutex_.try_lock(); }
  void unlock() noexcept SENNIT_RELEASE() SENNIT_NO_ANALYSIS { mutex_.unlock(); }
  /// False if the deadline came first, or the stop of the token (no other stop ends the wait); a deadline in the past
  /// tries once.
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& t,
                                    const stop_token& stop = {}) noexcept SENNIT_TRY_ACQUIRE(true) SENNIT_NO_ANALYSIS {
    return mutex_.lock_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) noexcept
      SENNIT_TRY_ACQUIRE(true) SENNIT_NO_ANALYSIS {
    return mutex_.lock_before({detail::deadline_in(d), &stop});
  }

 private:
  mutex mutex_;
};

}  // namespace sennit::inline v0

#pragma once
#include <chrono>

#include <sennit/detail/time.hpp>
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
  /// False if `t` came first; a deadline in the past tries once. Never interrupted by a stop.
  [[nodiscard]] bool try_lock_until(std::chrono::steady_clock::time_point t) noexcept
      SENNIT_TRY_ACQUIRE(true) SENNIT_NO_ANALYSIS {
    return mutex_.lock_before(detail::to_nanos(t));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> d) noexcept SENNIT_TRY_ACQUIRE(true) {
    return try_lock_until(detail::deadline_after(d));
  }

 private:
  mutex mutex_;
};

}  // namespace sennit::inline v0

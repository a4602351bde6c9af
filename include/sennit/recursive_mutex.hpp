#pragma once
#include <chrono>
#include <cstddef>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/mutex.hpp>

namespace sennit::inline v0 {

/// std::recursive_timed_mutex: the fiber or thread that holds it may lock it again, and unlocks it as often. Meets
/// TimedLockable. Clang's analysis does not follow recursion: these locks are not annotated.
class recursive_timed_mutex {
 public:
  constexpr recursive_timed_mutex() noexcept = default;
  recursive_timed_mutex(const recursive_timed_mutex&) = delete;
  recursive_timed_mutex& operator=(const recursive_timed_mutex&) = delete;

  void lock() noexcept SENNIT_NO_ANALYSIS {
    if (!mutex_.is_mine()) mutex_.lock();
    ++depth_;
  }
  [[nodiscard]] bool try_lock() noexcept SENNIT_NO_ANALYSIS { return counted(mutex_.is_mine() || mutex_.try_lock()); }
  /// CHECK: the caller holds it.
  void unlock() noexcept SENNIT_NO_ANALYSIS {
    if (!mutex_.is_mine() || --depth_ == 0) mutex_.unlock();
  }
  /// False if the deadline came first, or the stop of the token (no other stop ends the wait); a deadline in the past
  /// tries once.
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& t,
                                    const stop_token& stop = {}) noexcept SENNIT_NO_ANALYSIS {
    return counted(mutex_.is_mine() || mutex_.lock_before({detail::deadline_at(t), &stop}));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& d,
                                  const stop_token& stop = {}) noexcept SENNIT_NO_ANALYSIS {
    return counted(mutex_.is_mine() || mutex_.lock_before({detail::deadline_in(d), &stop}));
  }

 private:
  bool counted(bool locked) noexcept {
    if (locked) ++depth_;
    return locked;
  }

  mutex mutex_;
  std::size_t depth_ = 0;  // the owner's
};

/// std::recursive_mutex: the same without deadlines.
class recursive_mutex : private recursive_timed_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;
  using recursive_timed_mutex::lock;
  using recursive_timed_mutex::try_lock;
  using recursive_timed_mutex::unlock;
};

}  // namespace sennit::inline v0

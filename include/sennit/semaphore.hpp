#pragma once
#include <chrono>
#include <cstddef>
#include <limits>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {
namespace detail {

struct select_access;

/// A semaphore without its limit as a type. First come, first served: a permit goes to who has waited longest, and
/// try_acquire() does not overtake.
class semaphore_core {
 public:
  constexpr explicit semaphore_core(std::ptrdiff_t permits) noexcept : permits_(permits) {}
  semaphore_core(const semaphore_core&) = delete;
  semaphore_core& operator=(const semaphore_core&) = delete;

  SENNIT_API void release(std::ptrdiff_t n, std::ptrdiff_t max) noexcept;
  [[nodiscard]] SENNIT_API bool try_acquire() noexcept;
  SENNIT_API bool acquire(wait_bound until);  // false if the deadline came first
  [[noreturn]] SENNIT_API static void refuse() noexcept;

 private:
  friend class acquire_case;

  std::ptrdiff_t permits_ SENNIT_GUARDED_BY(waiters_.lock);  // 0 while somebody waits
  wait_queue waiters_;
};

}  // namespace detail

/// std::counting_semaphore: between fibers, plain threads and both. Constant initialised. Fair: first come, first
/// served. Who acquires may destroy it as soon as acquire returns. CHECKs: 0 <= desired <= max(); release() does not
/// exceed max().
template <std::ptrdiff_t LeastMax = std::numeric_limits<std::ptrdiff_t>::max()>
class counting_semaphore {
  static_assert(LeastMax >= 0, "a semaphore holds no negative number of permits");

 public:
  constexpr explicit counting_semaphore(std::ptrdiff_t desired) noexcept : core_(checked(desired)) {}
  counting_semaphore(const counting_semaphore&) = delete;
  counting_semaphore& operator=(const counting_semaphore&) = delete;

  static constexpr std::ptrdiff_t max() noexcept { return LeastMax; }

  /// `n` more permits; wakes those who wait for them.
  void release(std::ptrdiff_t n = 1) noexcept { core_.release(n, LeastMax); }
  /// Parks until there is a permit. Ambient cancellation point; throws std::system_error(operation_canceled) on that
  /// stop or on the token's.
  void acquire(const stop_token& stop = {}) { core_.acquire({.stop = &stop}); }
  [[nodiscard]] bool try_acquire() noexcept { return core_.try_acquire(); }
  /// False if the deadline came first.
  template <class Clock, class Duration>
  bool try_acquire_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return core_.acquire({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  bool try_acquire_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return core_.acquire({detail::deadline_in(d), &stop});
  }

 private:
  friend struct detail::select_access;

  static constexpr std::ptrdiff_t checked(std::ptrdiff_t desired) noexcept {
    if (desired < 0 || desired > LeastMax) detail::semaphore_core::refuse();
    return desired;
  }

  detail::semaphore_core core_;
};

using binary_semaphore = counting_semaphore<1>;

}  // namespace sennit::inline v0

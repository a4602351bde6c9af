#pragma once
#include <chrono>
#include <cstddef>
#include <limits>

#include <sennit/detail/countdown.hpp>
#include <sennit/detail/time.hpp>
#include <sennit/detail/wait_bound.hpp>

namespace sennit::inline v0 {

/// std::latch: counts down once. Between fibers, plain threads and both. Constant initialised. A waiter may destroy it
/// as soon as its wait returns.
class latch {
 public:
  /// CHECK: `expected` is not negative.
  constexpr explicit latch(std::ptrdiff_t expected) noexcept : count_(checked(expected)) {}
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  static constexpr std::ptrdiff_t max() noexcept { return std::numeric_limits<std::ptrdiff_t>::max(); }

  /// The last one wakes the waiters. CHECK: not below zero.
  SENNIT_API void count_down(std::ptrdiff_t n = 1) noexcept;
  /// Whether the count is zero.
  [[nodiscard]] bool try_wait() const noexcept { return count_.count() == 0; }
  /// Parks until the count is zero. Ambient cancellation point; throws std::system_error(operation_canceled) on that
  /// stop or on the token's.
  void wait(const stop_token& stop = {}) { wait_before({.stop = &stop}); }
  /// False if the deadline came first.
  template <class Clock, class Duration>
  bool wait_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return wait_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  bool wait_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return wait_before({detail::deadline_in(d), &stop});
  }
  void arrive_and_wait(std::ptrdiff_t n = 1, const stop_token& stop = {}) {
    count_down(n);
    wait(stop);
  }

 private:
  static constexpr std::size_t checked(std::ptrdiff_t expected) noexcept {
    if (expected < 0) refuse();
    return static_cast<std::size_t>(expected);
  }
  [[noreturn]] SENNIT_API static void refuse() noexcept;
  SENNIT_API bool wait_before(detail::wait_bound until);

  detail::countdown count_;
};

}  // namespace sennit::inline v0

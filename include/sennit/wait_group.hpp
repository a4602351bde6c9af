#pragma once
#include <chrono>
#include <cstddef>

#include <sennit/detail/countdown.hpp>
#include <sennit/detail/time.hpp>
#include <sennit/detail/wait_bound.hpp>

namespace sennit::inline v0 {

/// Go's sync.WaitGroup: counts work in flight, waits for zero. Between fibers, plain threads and both. Constant
/// initialised. A waiter may destroy it as soon as its wait returns.
class wait_group {
 public:
  constexpr wait_group() noexcept = default;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;

  /// `n` more pieces of work. May run in parallel with everything but the return from zero (as in Go).
  SENNIT_API void add(std::size_t n = 1) noexcept;
  /// One piece is done; the last one wakes the waiters. CHECK below zero.
  SENNIT_API void done() noexcept;
  /// Pieces in flight now: a hint.
  [[nodiscard]] SENNIT_API std::size_t count() const noexcept;

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

 private:
  SENNIT_API bool wait_before(detail::wait_bound until);

  detail::countdown count_;
};

}  // namespace sennit::inline v0

#pragma once
#include <chrono>
#include <cstddef>

#include <sennit/detail/countdown.hpp>
#include <sennit/detail/time.hpp>

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

  /// Parks until the count is zero. Ambient cancellation point: throws std::system_error(operation_canceled).
  void wait() { wait_nanos(detail::never); }
  /// False if `t` came first.
  bool wait_until(std::chrono::steady_clock::time_point t) { return wait_nanos(detail::to_nanos(t)); }
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) {
    return wait_until(detail::deadline_after(d));
  }

 private:
  SENNIT_API bool wait_nanos(detail::nanos deadline);

  detail::countdown count_;
};

}  // namespace sennit::inline v0

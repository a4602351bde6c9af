#pragma once
#include <chrono>

#include <sennit/detail/time.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {

/// A flag to wait for: set once (one-shot), or set and reset (manual reset). Between fibers, plain threads and both.
/// Constant initialised. A waiter may destroy the event as soon as its wait returns.
class event {
 public:
  constexpr event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Sets the flag and wakes all waiters.
  SENNIT_API void set() noexcept;
  SENNIT_API void reset() noexcept;
  /// Without a lock: the setter may still be inside set(), so that only a wait() that returned allows to destroy the
  /// event.
  [[nodiscard]] SENNIT_API bool is_set() const noexcept;

  /// Parks until the flag is set. Ambient cancellation point: throws std::system_error(operation_canceled).
  void wait() { wait_nanos(detail::never); }
  /// False if `t` came first.
  bool wait_until(std::chrono::steady_clock::time_point t) { return wait_nanos(detail::to_nanos(t)); }
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) {
    return wait_until(detail::deadline_after(d));
  }

 private:
  SENNIT_API bool wait_nanos(detail::nanos deadline);

  detail::atomic<std::uint32_t> set_{0};
  mutable detail::wait_queue waiters_;
};

}  // namespace sennit::inline v0

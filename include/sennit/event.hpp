#pragma once
#include <chrono>

#include <sennit/detail/time.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {
namespace detail {
class event_case;
}

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

  /// Parks until the flag is set. Ambient cancellation point; throws std::system_error(operation_canceled) on that stop
  /// or on the token's.
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
  friend class condition_variable_any;
  friend class detail::event_case;

  SENNIT_API bool wait_before(detail::wait_bound until);
  std::uint16_t park(detail::wait_bound until) noexcept;  // 0: set

  detail::atomic<std::uint32_t> set_{0};
  mutable detail::wait_queue waiters_;
};

}  // namespace sennit::inline v0

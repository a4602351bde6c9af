#pragma once
// Go's time.Timer and time.Ticker, as of Go 1.23: no stale tick after stop() or reset(). after_func.hpp has AfterFunc.
#include <chrono>
#include <optional>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {
namespace detail {

struct select_access;

/// A timer or ticker. Nothing runs in the background: it is a time, and whoever waits sleeps until then and looks again
/// under the lock. So a tick exists from when somebody takes it, and stop() and reset() leave none behind. Any fiber or
/// thread. Nothing here allocates.
class timer_core {
 public:
  constexpr timer_core() noexcept = default;
  /// First at `deadline`; then, unless it is zero, once per `period`.
  explicit timer_core(nanos deadline, nanos period = 0) noexcept : deadline_(last(deadline)), period_(period) {}
  timer_core(const timer_core&) = delete;
  timer_core& operator=(const timer_core&) = delete;

  /// Both: true if there was a tick to come, or one that nobody had taken.
  SENNIT_API bool arm(nanos deadline, nanos period = 0) noexcept;
  SENNIT_API bool disarm() noexcept;
  [[nodiscard]] SENNIT_API bool armed() const noexcept;
  /// Takes the next tick: the time it was due at; `never` if the bound came first. Throws on a stop.
  SENNIT_API nanos wait(wait_bound until);
  /// `d` as the period of a ticker; throws invalid_argument for zero, less, and what is not a number.
  template <class Rep, class Period>
  static nanos period(const std::chrono::duration<Rep, Period>& d) {
    const nanos p = span_nanos(d);
    if (p == 0) refuse_period();
    return p;
  }

 private:
  friend class timer_case;

  /// A deadline that is set, however late, is not the absence of one.
  static constexpr nanos last(nanos t) noexcept { return t == never ? never - 1 : t; }
  [[noreturn]] SENNIT_API static void refuse_period();
  nanos take(nanos now) noexcept SENNIT_REQUIRES(waiters_.lock);  // never: no tick is due
  void sleeps() noexcept SENNIT_REQUIRES(waiters_.lock);

  nanos deadline_ SENNIT_GUARDED_BY(waiters_.lock) = never;
  nanos period_ SENNIT_GUARDED_BY(waiters_.lock) = 0;
  nanos slept_to_ SENNIT_GUARDED_BY(waiters_.lock) = never;  // no waiter sleeps longer
  mutable wait_queue waiters_;
};

inline std::chrono::steady_clock::time_point time_of(nanos t) noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(t));
}

}  // namespace detail

/// Go's time.Timer: one tick per arming. reset() and stop() come from anywhere while others wait: a wait() follows the
/// new time. After they have returned, no wait() and no select() takes a tick of the time before. Of several waiters
/// one gets the tick; which one is open. From fibers, plain threads and both; constant initialised if not armed. Who
/// has waited may destroy it as soon as the wait returns. CHECK: nobody waits when it is destroyed.
class timer {
 public:
  /// Not armed.
  constexpr timer() noexcept = default;
  /// Armed: the tick comes after `d`, to the nanosecond and never early; at once if `d` is negative or not a number;
  /// never, but it counts as active, if `d` is too long to be represented.
  template <class Rep, class Period>
  explicit timer(const std::chrono::duration<Rep, Period>& d) noexcept : core_(detail::deadline_in(d)) {}

  /// Arms it, or moves its tick. True if it was active.
  template <class Rep, class Period>
  bool reset(const std::chrono::duration<Rep, Period>& d) noexcept {
    return core_.arm(detail::deadline_in(d));
  }
  template <class Clock, class Duration>
  bool reset_at(const std::chrono::time_point<Clock, Duration>& t) noexcept {
    return core_.arm(detail::deadline_at(t));
  }
  /// Disarms it; who waits waits on. True if it was active: the tick then never comes.
  bool stop() noexcept { return core_.disarm(); }
  /// Armed, and nobody has taken the tick yet.
  [[nodiscard]] bool active() const noexcept { return core_.armed(); }

  /// Takes the tick; until there is one, parks: if the timer is not active, until it is reset. Ambient cancellation
  /// point; throws std::system_error(operation_canceled) on that stop or on the token's.
  void wait(const stop_token& stop = {}) { core_.wait({.stop = &stop}); }
  /// False if the deadline came first; the timer is then as it was.
  template <class Clock, class Duration>
  bool wait_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return core_.wait({detail::deadline_at(t), &stop}) != detail::never;
  }
  template <class Rep, class Period>
  bool wait_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return core_.wait({detail::deadline_in(d), &stop}) != detail::never;
  }

 private:
  friend struct detail::select_access;

  detail::timer_core core_;
};

/// Go's time.Ticker: ticks at start + period, start + 2 * period, and so on. Ticks that nobody took are dropped but for
/// the first; the later ones keep the phase. Otherwise as timer. A period of zero, less, or not a number throws
/// std::system_error(invalid_argument): it often comes from a configuration.
class ticker {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  template <class Rep, class Period>
  explicit ticker(const std::chrono::duration<Rep, Period>& period) : ticker(detail::timer_core::period(period)) {}

  /// Starts anew: the next tick comes after `period`.
  template <class Rep, class Period>
  void reset(const std::chrono::duration<Rep, Period>& period) {
    const detail::nanos p = detail::timer_core::period(period);
    core_.arm(detail::add_nanos(detail::clock_now(), p), p);
  }
  /// No tick comes until the next reset(); who waits waits on.
  void stop() noexcept { core_.disarm(); }

  /// Takes the next tick, and returns the time that it was due at. Waits, and throws, as timer::wait() does.
  time_point wait(const stop_token& stop = {}) { return detail::time_of(core_.wait({.stop = &stop})); }
  /// No value if the deadline came first.
  template <class Clock, class Duration>
  std::optional<time_point> wait_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return wait_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  std::optional<time_point> wait_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return wait_before({detail::deadline_in(d), &stop});
  }

 private:
  friend struct detail::select_access;

  explicit ticker(detail::nanos period) noexcept : core_(detail::add_nanos(detail::clock_now(), period), period) {}
  std::optional<time_point> wait_before(detail::wait_bound until) {
    const detail::nanos tick = core_.wait(until);
    if (tick == detail::never) return std::nullopt;
    return detail::time_of(tick);
  }

  detail::timer_core core_;
};

}  // namespace sennit::inline v0

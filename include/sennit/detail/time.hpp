#pragma once
// Time inside the runtime: nanoseconds of the steady clock.
#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0::detail {

using nanos = std::int64_t;
inline constexpr nanos never = std::numeric_limits<nanos>::max();

constexpr nanos to_nanos(std::chrono::steady_clock::time_point t) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

/// `d` in nanoseconds, rounded up, without overflow: what does not fit becomes `never`, what is negative or not a
/// number becomes zero.
template <class Rep, class Period>
constexpr nanos span_nanos(std::chrono::duration<Rep, Period> d) noexcept {
  using seconds = std::chrono::duration<double>;
  if (std::chrono::duration_cast<seconds>(d).count() > 9.0e9) return never;
  if (!(d > d.zero())) return 0;
  return std::chrono::ceil<std::chrono::nanoseconds>(d).count();
}

constexpr nanos add_nanos(nanos now, nanos span) noexcept { return span >= never - now ? never : now + span; }

/// Now, on the clock of the caller's runtime; the system's steady clock on a plain thread.
[[nodiscard]] SENNIT_API nanos clock_now() noexcept;

/// The deadline that is `d` from now; what does not fit is never.
template <class Rep, class Period>
[[nodiscard]] nanos deadline_in(std::chrono::duration<Rep, Period> d) noexcept {
  return add_nanos(clock_now(), span_nanos(d));
}

/// The deadline at `t`. That of another clock is converted once: a later change of that clock does not move it.
template <class Clock, class Duration>
[[nodiscard]] nanos deadline_at(const std::chrono::time_point<Clock, Duration>& t) noexcept {
  if constexpr (std::is_same_v<std::chrono::time_point<Clock, Duration>, std::chrono::steady_clock::time_point>) {
    return to_nanos(t);
  } else {
    const auto now = Clock::now();
    return t <= now ? std::numeric_limits<nanos>::min() : deadline_in(t - now);
  }
}

}  // namespace sennit::inline v0::detail

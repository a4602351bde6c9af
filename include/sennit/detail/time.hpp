#pragma once
// Time inside the runtime: nanoseconds of the steady clock.
#include <chrono>
#include <cstdint>
#include <limits>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0::detail {

using nanos = std::int64_t;
inline constexpr nanos never = std::numeric_limits<nanos>::max();

constexpr nanos to_nanos(std::chrono::steady_clock::time_point t) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

/// `d` in nanoseconds, rounded up, without overflow: what does not fit becomes `never`.
template <class Rep, class Period>
constexpr nanos span_nanos(std::chrono::duration<Rep, Period> d) noexcept {
  using seconds = std::chrono::duration<double>;
  if (std::chrono::duration_cast<seconds>(d).count() > 9.0e9) return never;
  if (d <= d.zero()) return 0;
  return std::chrono::ceil<std::chrono::nanoseconds>(d).count();
}

constexpr nanos add_nanos(nanos now, nanos span) noexcept { return span >= never - now ? never : now + span; }

/// Now, on the clock of the caller's runtime; the system's steady clock on a plain thread.
[[nodiscard]] SENNIT_API nanos clock_now() noexcept;

/// The point in time that is `d` from now; what does not fit is never.
template <class Rep, class Period>
std::chrono::steady_clock::time_point deadline_after(std::chrono::duration<Rep, Period> d) noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(add_nanos(clock_now(), span_nanos(d))));
}

}  // namespace sennit::inline v0::detail

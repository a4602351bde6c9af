#pragma once
// Waiting for descriptors that sennit does not own. It never sets flags on them.
#include <chrono>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/error.hpp>

namespace sennit::inline v0 {

namespace detail {
SENNIT_API bool wait_readable(int fd, wait_bound until);
SENNIT_API bool wait_writable(int fd, wait_bound until);
}  // namespace detail

/// Parks until `fd` can be read (or has an error or end of file to report); the registration is ONESHOT and deleted
/// when the wait ends, so the owner may close the descriptor afterwards. Regular files are always ready. Ambient
/// cancellation point. Throws std::system_error: operation_canceled on that stop or on the token's;
/// bad_file_descriptor. On a plain thread: poll(2).
inline void wait_readable(int fd, const stop_token& stop = {}) { detail::wait_readable(fd, {.stop = &stop}); }
/// The same, bounded: false if the deadline came first.
template <class Clock, class Duration>
bool wait_readable_until(int fd, const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
  return detail::wait_readable(fd, {detail::deadline_at(t), &stop});
}
template <class Rep, class Period>
bool wait_readable_for(int fd, const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
  return detail::wait_readable(fd, {detail::deadline_in(d), &stop});
}

/// The same for writing.
inline void wait_writable(int fd, const stop_token& stop = {}) { detail::wait_writable(fd, {.stop = &stop}); }
/// The same, bounded: false if the deadline came first.
template <class Clock, class Duration>
bool wait_writable_until(int fd, const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
  return detail::wait_writable(fd, {detail::deadline_at(t), &stop});
}
template <class Rep, class Period>
bool wait_writable_for(int fd, const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
  return detail::wait_writable(fd, {detail::deadline_in(d), &stop});
}

}  // namespace sennit::inline v0

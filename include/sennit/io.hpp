#pragma once
// Waiting for descriptors that sennit does not own. It never sets flags on them.
#include <chrono>
#include <cstddef>
#include <span>

#include <sennit/detail/io_handle.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/error.hpp>

struct pollfd;

namespace sennit::inline v0 {

namespace detail {
SENNIT_API bool wait_readable(int fd, wait_bound until);
SENNIT_API bool wait_writable(int fd, wait_bound until);
// By reference: to copy a span, libc++ looks at its type, which only callers have to know.
SENNIT_API std::size_t poll(const std::span<pollfd>& set, wait_bound until);
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

/// poll(2) for fibers: parks until one of the descriptors has what its `events` ask for (POLLIN, POLLOUT), or an error
/// or a hangup; returns how many do, with `revents` set in all. Negative descriptors are left out; bad ones are ready
/// with POLLNVAL, regular files at once. A wait registers each descriptor once per direction and takes it out again:
/// for many that are waited for often, an event_queue or a fiber for each costs less. Ambient cancellation point.
/// Throws std::system_error: operation_canceled on that stop or on the token's; invalid_argument for other events.
inline std::size_t poll(std::span<pollfd> set, const stop_token& stop = {}) {
  return detail::poll(set, {.stop = &stop});
}
/// The same, bounded: 0 if the deadline came first; one in the past only looks.
template <class Clock, class Duration>
std::size_t poll_until(std::span<pollfd> set, const std::chrono::time_point<Clock, Duration>& t,
                       const stop_token& stop = {}) {
  return detail::poll(set, {detail::deadline_at(t), &stop});
}
template <class Rep, class Period>
std::size_t poll_for(std::span<pollfd> set, const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
  return detail::poll(set, {detail::deadline_in(d), &stop});
}

/// Keeps a descriptor that is owned elsewhere registered with a poller, for who waits for it again and again: a wait
/// then costs one poll(2) in place of two epoll_ctl(2). It sets no flags and does not close; the owner must not close
/// before it is gone. One guard for a descriptor. Movable; several fibers and threads may wait.
class fd_guard {
 public:
  /// Throws std::system_error: bad_file_descriptor, not_enough_memory.
  SENNIT_API explicit fd_guard(int fd);
  fd_guard(fd_guard&&) noexcept = default;
  fd_guard& operator=(fd_guard&&) noexcept = default;
  /// Out of the poller; who still waits gets bad_file_descriptor.
  ~fd_guard() { handle_.release(); }

  /// As sennit::wait_readable(). Throws std::system_error(file_exists) if another guard has the descriptor.
  void wait_readable(const stop_token& stop = {}) { wait(false, {.stop = &stop}); }
  /// The same, bounded: false if the deadline came first.
  template <class Clock, class Duration>
  bool wait_readable_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return wait(false, {detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  bool wait_readable_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return wait(false, {detail::deadline_in(d), &stop});
  }

  /// The same for writing.
  void wait_writable(const stop_token& stop = {}) { wait(true, {.stop = &stop}); }
  /// The same, bounded: false if the deadline came first.
  template <class Clock, class Duration>
  bool wait_writable_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return wait(true, {detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  bool wait_writable_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return wait(true, {detail::deadline_in(d), &stop});
  }

  /// The descriptor; -1 after a move.
  [[nodiscard]] int native_handle() const noexcept { return handle_.native(); }

 private:
  SENNIT_API bool wait(bool writes, detail::wait_bound until);

  detail::io_handle handle_;
};

}  // namespace sennit::inline v0

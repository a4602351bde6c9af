#pragma once
// The poller by itself, without fibers: for who wants to build on it or learn from it.
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// What a registration waits for: readable | writable.
enum class interest : std::uint8_t { readable = 1, writable = 2, both = 3 };
/// How it reports: level (while the condition holds), edge (when it becomes true), oneshot (once, until modify()).
enum class trigger : std::uint8_t { level, edge, oneshot };

/// A kernel event queue (epoll or kqueue). Movable. add, modify, remove and wake may run on any thread and in parallel
/// with poll; poll on one thread at a time. Readiness is a hint: be ready for EAGAIN.
class event_queue {
 public:
  struct event {
    std::uint64_t token;  ///< as registered
    bool readable;        ///< a read will not block; end of file and errors count
    bool writable;        ///< a write will not block; errors count
    bool closed;          ///< the peer closed its side, or hung up
    bool failed;          ///< an error is pending on the descriptor
  };

  /// Throws std::system_error (too_many_files_open, ...).
  SENNIT_API event_queue();
  SENNIT_API event_queue(event_queue&&) noexcept;
  SENNIT_API event_queue& operator=(event_queue&&) noexcept;
  SENNIT_API ~event_queue();

  /// Registers `fd`, which must stay open until remove() or its close. Throws std::system_error: file_exists if it is
  /// registered, bad_file_descriptor, operation_not_permitted for regular files (they are always ready),
  /// invalid_argument for the token 2^64-1, which is wake()'s own.
  SENNIT_API void add(int fd, std::uint64_t token, interest what, trigger how = trigger::level);
  /// Changes a registration, and re-arms oneshot. no_such_file_or_directory if there is none.
  SENNIT_API void modify(int fd, std::uint64_t token, interest what, trigger how = trigger::level);
  /// Takes a registration out; events already returned are the caller's to ignore.
  SENNIT_API void remove(int fd);

  /// Fills `into` with up to 64 events, waits if nothing is ready; returns how many. 0: the timeout passed, or wake().
  /// A timeout below zero waits for ever. Interrupted waits (EINTR) go on with the remaining time.
  SENNIT_API std::size_t poll(std::span<event> into, std::chrono::nanoseconds timeout = std::chrono::nanoseconds(-1));

  /// Makes a poll that runs now, or else the next one, return. Coalesced.
  SENNIT_API void wake() noexcept;

  /// The kernel's queue itself: readable while poll() would return at once. To be waited for, as by wait_readable() or
  /// in another queue; it stays owned.
  [[nodiscard]] SENNIT_API int native_handle() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace sennit::inline v0

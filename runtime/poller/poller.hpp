#pragma once
// Contract of a poller backend: the kernel's queue of readiness events. poller_epoll.cpp and poller_kqueue.cpp
// implement it; the build selects the file. What each name requires and promises is written here, and tests/poller
// checks every line of it for each backend. docs/porting.md says what a new one has to take care of.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <sennit/event_queue.hpp>

#include "base/time.hpp"
#include "base/unique_fd.hpp"

namespace sennit::inline v0::detail {

/// One report: the registration's token and what is ready. A value of the thread that called wait().
struct poll_event {
  static constexpr std::uint8_t readable = 1;   // a read does not block; implied by closed, hangup and failed
  static constexpr std::uint8_t writable = 2;   // a write does not block; implied by hangup and failed
  static constexpr std::uint8_t closed = 4;     // nothing will come after what is still to be read; implied by hangup
  static constexpr std::uint8_t hangup = 8;     // both directions are over
  static constexpr std::uint8_t failed = 16;    // an error is pending on the descriptor, or nobody reads a pipe
  static constexpr std::uint8_t priority = 32;  // urgent data (TCP); trigger::edge only

  std::uint64_t token;
  std::uint8_t bits;
};

/// Owned by one thread or, in the runtime, by whoever holds its worker's poll token. add, modify and remove may run on
/// any thread, in parallel with each other and with wait(); wait() never in parallel with itself; the destructor with
/// nothing. Functions return 0 or a count, or -errno.
///
/// Reports are hints: a read may still give EAGAIN, a direction that was not asked for may be reported, and one token
/// may come twice in a batch (kqueue counts directions apart). What must not happen is the opposite, that a descriptor
/// becomes ready and no report says so.
///
/// What a thread did before add, modify or waker::wake() is visible to the thread whose wait() reports it.
class poller {
 public:
  /// The most events that one wait() returns.
  static constexpr std::size_t max_events = 64;

  /// An empty queue; its descriptor is close-on-exec. Throws std::system_error; the text names the limit that was met.
  poller();
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  /// Registers `fd`, once per descriptor number and poller. All 64 bits of `token` come back with its reports. What is
  /// ready already is reported by the next wait().
  ///  - level: by every wait() for as long as it holds.
  ///  - edge: once per change. Data that arrives while earlier data is unread is a change. Both directions with `edge`
  ///    is the registration of the runtime's own descriptors: once, for life.
  ///  - oneshot: once, both directions together; then nothing until modify().
  /// The registration ends with remove(), or when the last descriptor of the open file is closed: after dup(), fork()
  /// or SCM_RIGHTS that is not the one registered here, so remove it first.
  /// -EBADF: not open. -EEXIST: registered here already. -EPERM: always ready (regular files, directories).
  /// -ENOMEM, -ENOSPC: a limit of the kernel (fs.epoll.max_user_watches).
  [[nodiscard]] int add(int fd, std::uint64_t token, interest what, trigger how) noexcept;

  /// Replaces token, interest and trigger; reports what is ready, as add() does, though it was reported before.
  /// -ENOENT: not registered here. -EBADF: not open.
  [[nodiscard]] int modify(int fd, std::uint64_t token, interest what, trigger how) noexcept;

  /// No wait() that begins afterwards reports `fd`. One that runs now may, and events returned earlier stay where they
  /// are: tokens need generations. -ENOENT: not registered here. -EBADF: not open.
  int remove(int fd) noexcept;

  /// Blocks until something is ready, `timeout` nanoseconds have passed (0 or less: does not block; never: no limit) or
  /// a signal was handled. Fills `into`, which has room for at least one, and returns how many: at most max_events.
  /// What found no room comes with the next calls, before anything is repeated. 0: timeout or signal, so look at the
  /// clock. A timeout is never cut short otherwise, but for those beyond 24 days where resolution() is a millisecond.
  [[nodiscard]] int wait(std::span<poll_event> into, nanos timeout) noexcept;

  /// Timeouts are rounded up to a multiple of this.
  [[nodiscard]] nanos resolution() const noexcept { return resolution_; }

  /// True in the child of a fork(), which has a descriptor of the parent's queue: what is registered there is the
  /// parent's, and removing it would take it away from him.
  [[nodiscard]] bool inherited() const noexcept { return owner_ != ::getpid(); }

  /// The kernel's queue, for a waker that is part of it (EVFILT_USER).
  [[nodiscard]] int native_handle() const noexcept { return queue_.get(); }

 private:
  unique_fd queue_;
  pid_t owner_ = ::getpid();
  std::shared_ptr<void> beside_;  // what a backend has to remember beside it
  nanos resolution_ = 1;
};

/// "epoll" or "kqueue": for logs and tests.
extern const char* const poller_name;

/// poll_event::priority is reported. Where it is not, a short read of a TCP stream does not mean that it is empty.
extern const bool poller_sees_urgent_data;

}  // namespace sennit::inline v0::detail

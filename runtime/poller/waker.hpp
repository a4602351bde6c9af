#pragma once
// Contract of a waker backend: how another thread ends a poller's wait(). An axis of its own beside the poller:
// waker_eventfd.cpp, waker_pipe.cpp (any POSIX), waker_evfilt_user.cpp (kqueue). The build selects the file;
// tests/poller checks each one that builds.
#include <cstdint>

#include "base/unique_fd.hpp"
#include "poller/poller.hpp"

namespace sennit::inline v0::detail {

/// Owned beside its poller, which must outlive it. wake() may run on any thread, in parallel with everything but the
/// destructor; acknowledge() on the thread that waits.
class waker {
 public:
  /// Opens what it needs, close-on-exec, and registers it under `token`. Throws std::system_error; the text names the
  /// limit that was met.
  waker(poller& target, std::uint64_t token);
  waker(const waker&) = delete;
  waker& operator=(const waker&) = delete;
  ~waker();

  /// The wait() that runs now, or else the next one, reports `token`. Wakes that nobody has seen yet are one report.
  /// Never blocks. One system call: callers skip it when they know that the target does not sleep.
  void wake() noexcept;

  /// Call it when wait() has reported `token`, *before* looking for what the wakers announced. The other way round a
  /// wake between the look and the acknowledgement would be swallowed, and its announcement stay unseen.
  void acknowledge() noexcept;

 private:
  poller& poller_;
  [[maybe_unused]] std::uint64_t token_ = 0;  // repeated by each wake (EVFILT_USER)
  unique_fd signal_;                          // registered
  unique_fd write_end_;                       // what wake() writes to, where that is another descriptor (pipe)
};

/// "eventfd", "pipe" or "EVFILT_USER": for logs and tests.
extern const char* const waker_name;

}  // namespace sennit::inline v0::detail

#pragma once
// Signals as something to wait for.
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include <sennit/detail/io_handle.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// A signal that was sent to this process. macOS tells its number alone.
struct signal_info {
  int number = 0;           ///< SIGTERM, ...
  std::int32_t sender = 0;  ///< process id of who sent it; 0: the kernel
  std::uint32_t user = 0;   ///< user id of who sent it
  std::int32_t value = 0;   ///< what came with sigqueue(3); SIGCHLD: the exit status
};

/// Signals that are waited for in place of being handled. Movable handle; several fibers may wait on one set.
///
/// While a set lives, its signals do nothing else: their default actions and the program's handlers are off, and come
/// back with the end of the last set that has them. The constructor blocks them on the calling thread, which threads
/// that it starts later inherit; the workers of a runtime block them anyway. A thread that was there before and does
/// not block them blocks a signal when it is first given it, and passes it on; it is blocked there from then on, also
/// after the end of the set.
///
/// As always: a signal that is sent again while it is pending counts once, but for SIGRTMIN and up. Sets that overlap
/// share: each signal goes to one of them. What is sent to a certain thread (pthread_kill) and blocked there reaches
/// nobody. Children started by process and posix_spawn get default actions and nothing blocked.
class signal_set : private detail::io_object {
 public:
  using io_object::close;  // wakes who waits; the signals stay trapped until the set is destroyed
  using io_object::expires_after;
  using io_object::expires_at;
  using io_object::expires_never;
  using io_object::is_open;
  using io_object::native_handle;  // the signalfd; macOS: a queue

  signal_set() noexcept = default;
  /// Throws std::system_error: invalid_argument for what is no signal, for SIGKILL and SIGSTOP, for the synchronous
  /// ones (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS) and SIGPROF; too_many_files_open.
  SENNIT_API signal_set(std::initializer_list<int> signals);
  signal_set(signal_set&& other) noexcept
      : io_object(std::move(other.handle_)), signals_(std::exchange(other.signals_, 0)) {}
  SENNIT_API signal_set& operator=(signal_set&& other) noexcept;
  /// Signals that nobody has waited for are dropped.
  SENNIT_API ~signal_set();

  /// The next signal. Ambient cancellation point; that stop and the token's end it with operation_canceled,
  /// expires_after()'s deadline with deadline_passed, close() with bad_file_descriptor.
  SENNIT_API signal_info wait(const stop_token& stop = {});
  SENNIT_API signal_info wait(std::error_code& ec, const stop_token& stop = {});

 private:
  void end() noexcept;

  std::uint64_t signals_ = 0;  // bit n - 1: signal n is trapped
};

}  // namespace sennit::inline v0

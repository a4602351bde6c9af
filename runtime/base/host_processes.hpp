#pragma once
// The host's calls for children and signals. None of them blocks, but for spawn(), which takes as long as the exec
// does.
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdint>

namespace sennit::inline v0::detail {

/// A signal as the system tells of it; what it does not tell is 0.
struct signal_record {
  int number = 0;
  pid_t sender = 0;
  uid_t user = 0;
  std::int32_t value = 0;  // sigqueue()'s; SIGCHLD: the status
};

/// As host: any thread, in parallel; what the system call returns, or -errno.
class process_calls {
 public:
  virtual ~process_calls() = default;

  /// Readable while one of `signals`, which are trapped (host_signals.hpp), is to be taken. Close-on-exec,
  /// non-blocking.
  virtual int signal_fd(const sigset_t& signals) noexcept;
  virtual int take_signal(int fd, signal_record& into) noexcept;  // 0; EAGAIN: none
  virtual int pipe(int ends[2]) noexcept;  // close-on-exec, blocking: flags are the child's business
  /// posix_spawn; with `search` posix_spawnp.
  virtual int spawn(pid_t& child, const char* program, bool search, const posix_spawn_file_actions_t& actions,
                    const posix_spawnattr_t& attributes, char* const* arguments, char* const* environment) noexcept;
  /// Readable for good from when the child has ended. Close-on-exec.
  virtual int pid_fd(pid_t child) noexcept;
  /// waitid(P_PID): 0, also where WNOHANG finds nothing (then into.si_pid is 0), which it does not once `pid_fd`, if
  /// not negative, is readable.
  virtual int wait(pid_t child, int pid_fd, siginfo_t& into, int options) noexcept;
  /// To a child that was not yet waited for: `child` is its number, which macOS has nothing better than.
  virtual int signal_child(int pid_fd, pid_t child, int signal) noexcept;
  virtual int kill(pid_t child, int signal) noexcept;       // a child that was not yet waited for
  virtual int duplicate_above(int fd, int least) noexcept;  // close-on-exec, as all of ours: a child's copy is not
};

}  // namespace sennit::inline v0::detail

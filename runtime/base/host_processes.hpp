#pragma once
// The host's calls for children and signals. None of them blocks, but for spawn(), which takes as long as the exec
// does.
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <cstddef>

namespace sennit::inline v0::detail {

/// As host: any thread, in parallel; what the system call returns, or -errno.
class process_calls {
 public:
  virtual ~process_calls() = default;

  virtual int signal_fd(const sigset_t& signals) noexcept;  // close-on-exec, non-blocking
  virtual int pipe(int ends[2]) noexcept;                   // close-on-exec, blocking: flags are the child's business
  /// posix_spawn; with `search` posix_spawnp.
  virtual int spawn(pid_t& child, const char* program, bool search, const posix_spawn_file_actions_t& actions,
                    const posix_spawnattr_t& attributes, char* const* arguments, char* const* environment) noexcept;
  virtual int pid_fd(pid_t child) noexcept;  // close-on-exec
  /// waitid(P_PID): 0, also where WNOHANG finds nothing (then into.si_pid is 0).
  virtual int wait(pid_t child, siginfo_t& into, int options) noexcept;
  virtual int signal_child(int pid_fd, int signal) noexcept;
  virtual int kill(pid_t child, int signal) noexcept;       // a child that was not yet waited for
  virtual int duplicate_above(int fd, int least) noexcept;  // close-on-exec, as all of ours: a child's copy is not
};

}  // namespace sennit::inline v0::detail

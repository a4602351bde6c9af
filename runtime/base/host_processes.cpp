#include "base/host_processes.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/host.hpp"
#include "base/host_result.hpp"

namespace sennit::inline v0::detail {
int process_calls::signal_fd(const sigset_t& signals) noexcept {
  return host_result(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

int process_calls::pipe(int ends[2]) noexcept { return host_result(::pipe2(ends, O_CLOEXEC)); }

int process_calls::spawn(pid_t& child, const char* program, bool search, const posix_spawn_file_actions_t& actions,
                         const posix_spawnattr_t& attributes, char* const* arguments,
                         char* const* environment) noexcept {
  return -(search ? ::posix_spawnp : ::posix_spawn)(&child, program, &actions, &attributes, arguments, environment);
}

// By number: the <sys/pidfd.h> of glibc 2.36 declares them without C linkage.
int process_calls::pid_fd(pid_t child) noexcept {
  return static_cast<int>(host_result(::syscall(SYS_pidfd_open, child, 0)));
}

int process_calls::signal_child(int pid_fd, int signal) noexcept {
  return static_cast<int>(host_result(::syscall(SYS_pidfd_send_signal, pid_fd, signal, nullptr, 0)));
}

int process_calls::wait(pid_t child, siginfo_t& into, int options) noexcept {
  into = {};
  int got = 0;
  do got = host_result(::waitid(P_PID, static_cast<id_t>(child), &into, options));
  while (got == -EINTR);
  return got;
}

int process_calls::kill(pid_t child, int signal) noexcept { return host_result(::kill(child, signal)); }

int process_calls::duplicate_above(int fd, int least) noexcept {
  return host_result(::fcntl(fd, F_DUPFD_CLOEXEC, least));
}

process_calls& host::processes() noexcept {
  static auto* const it = new process_calls;  // never destroyed, as the host itself
  return *it;
}

}  // namespace sennit::inline v0::detail

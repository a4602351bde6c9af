// signalfd and pidfd. host_processes_darwin.cpp is the same for macOS.
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/host_processes.hpp"
#include "base/host_result.hpp"

namespace sennit::inline v0::detail {

int process_calls::signal_fd(const sigset_t& signals) noexcept {
  return host_result(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

int process_calls::take_signal(int fd, signal_record& into) noexcept {
  signalfd_siginfo info{};
  const ssize_t got = host_result(::read(fd, &info, sizeof info));
  if (got < 0) return static_cast<int>(got);
  into = {.number = static_cast<int>(info.ssi_signo),
          .sender = static_cast<pid_t>(info.ssi_pid),
          .user = info.ssi_uid,
          .value = info.ssi_code == SI_QUEUE ? info.ssi_int : info.ssi_status};
  return 0;
}

// By number: the <sys/pidfd.h> of glibc 2.36 declares them without C linkage.
int process_calls::pid_fd(pid_t child) noexcept {
  return static_cast<int>(host_result(::syscall(SYS_pidfd_open, child, 0)));
}

int process_calls::signal_child(int pid_fd, pid_t, int signal) noexcept {
  return static_cast<int>(host_result(::syscall(SYS_pidfd_send_signal, pid_fd, signal, nullptr, 0)));
}

int process_calls::wait(pid_t child, int, siginfo_t& into, int options) noexcept {
  into = {};
  int got = 0;
  do got = host_result(::waitid(P_PID, static_cast<id_t>(child), &into, options));
  while (got == -EINTR);
  return got;
}

}  // namespace sennit::inline v0::detail

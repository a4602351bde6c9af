// For signalfd: what is trapped stays pending.
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>

#include "base/host_signals.hpp"

namespace sennit::inline v0::detail {
namespace {

/// On a thread that did not block the signal. Async-signal-safe. Passed on process-wide it comes to another such
/// thread, to each once at most, until all block it.
void pass_on(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  // What is put back when we return: blocked for good.
  sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, signal);
  if (::syscall(SYS_rt_sigqueueinfo, ::getpid(), signal, info) != 0) {
    // Only the first thread may say that kill() or the kernel sent it; sender and value stay.
    info->si_code = SI_QUEUE;
    if (::syscall(SYS_rt_sigqueueinfo, ::getpid(), signal, info) != 0) ::kill(::getpid(), signal);
  }
  errno = error;
}

}  // namespace

void install_trap(int signal, struct sigaction& before) noexcept {
  struct sigaction action{};
  action.sa_sigaction = pass_on;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;  // on a small stack, and no call of the program's fails
  sigfillset(&action.sa_mask);
  ::sigaction(signal, &action, &before);
}

void remove_trap(int signal, const struct sigaction& before) noexcept { ::sigaction(signal, &before, nullptr); }

}  // namespace sennit::inline v0::detail

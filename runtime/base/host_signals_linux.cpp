// For signalfd: what is trapped stays pending. host_signals_darwin.cpp is the same for EVFILT_SIGNAL.
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "base/host_signals.hpp"

namespace sennit::inline v0::detail {
namespace {

struct trap {
  unsigned uses = 0;
  struct sigaction before{};
};

std::mutex traps_mutex;
std::array<trap, NSIG> traps;  // guarded by traps_mutex

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

void trap_signals(const sigset_t& signals) noexcept {
  const std::lock_guard lock(traps_mutex);
  for (int s = 1; s < NSIG; ++s) {
    if (sigismember(&signals, s) != 1 || traps[static_cast<std::size_t>(s)].uses++ != 0) continue;
    struct sigaction action{};
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;  // on a small stack, and no call of the program's fails
    sigfillset(&action.sa_mask);
    ::sigaction(s, &action, &traps[static_cast<std::size_t>(s)].before);
  }
}

void release_signals(const sigset_t& signals) noexcept {
  const std::lock_guard lock(traps_mutex);
  for (int s = 1; s < NSIG; ++s) {
    trap& t = traps[static_cast<std::size_t>(s)];
    if (sigismember(&signals, s) == 1 && --t.uses == 0) ::sigaction(s, &t.before, nullptr);
  }
}

}  // namespace sennit::inline v0::detail

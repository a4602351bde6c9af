// For EVFILT_SIGNAL, which sees a signal before it is given to anybody. host_signals_linux.cpp is the same for
// signalfd.
#include <array>
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

// Not SIG_IGN: an ignored SIGCHLD is not noted, and children that exec would ignore the signal too.
void nothing(int) {}

}  // namespace

void trap_signals(const sigset_t& signals) noexcept {
  const std::lock_guard lock(traps_mutex);
  for (int s = 1; s < NSIG; ++s) {
    if (sigismember(&signals, s) != 1 || traps[static_cast<std::size_t>(s)].uses++ != 0) continue;
    struct sigaction action{};
    action.sa_handler = nothing;
    action.sa_flags = SA_RESTART | SA_ONSTACK;  // on a small stack, and no call of the program's fails
    sigfillset(&action.sa_mask);
    ::sigaction(s, &action, &traps[static_cast<std::size_t>(s)].before);
  }
}

void release_signals(const sigset_t& signals) noexcept {
  const std::lock_guard lock(traps_mutex);
  for (int s = 1; s < NSIG; ++s) {
    trap& t = traps[static_cast<std::size_t>(s)];
    if (sigismember(&signals, s) != 1 || --t.uses != 0) continue;
    // Where all threads block it, it is still pending. To ignore it drops that (POSIX, sigaction()).
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(s, &ignore, nullptr);
    ::sigaction(s, &t.before, nullptr);
  }
}

}  // namespace sennit::inline v0::detail

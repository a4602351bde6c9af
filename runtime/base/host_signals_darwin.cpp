// For EVFILT_SIGNAL, which sees a signal before it is given to anybody.
#include "base/host_signals.hpp"

namespace sennit::inline v0::detail {
namespace {

// Not SIG_IGN: an ignored SIGCHLD is not noted, and children that exec would ignore the signal too.
void nothing(int) {}

}  // namespace

void install_trap(int signal, struct sigaction& before) noexcept {
  struct sigaction action{};
  action.sa_handler = nothing;
  action.sa_flags = SA_RESTART | SA_ONSTACK;  // on a small stack, and no call of the program's fails
  sigfillset(&action.sa_mask);
  ::sigaction(signal, &action, &before);
}

void remove_trap(int signal, const struct sigaction& before) noexcept {
  // Where all threads block it, it is still pending. To ignore it drops that (POSIX, sigaction()).
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(signal, &ignore, nullptr);
  ::sigaction(signal, &before, nullptr);
}

}  // namespace sennit::inline v0::detail

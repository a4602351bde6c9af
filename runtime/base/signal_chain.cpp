#include "base/signal_chain.hpp"

namespace sennit::inline v0::detail {

void unblock(int signal) noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool was_sent(const siginfo_t& info) noexcept {
#if defined(__APPLE__)
  return info.si_code <= 0 || info.si_code >= SI_USER;  // SI_USER and those above: 0x10001 and up
#else
  return info.si_code <= 0;
#endif
}

void hand_on(const struct sigaction& former, int signal, siginfo_t* info, void* context) noexcept {
  const bool sent = was_sent(*info);
  if ((former.sa_flags & SA_SIGINFO) != 0) {
    former.sa_sigaction(signal, info, context);
  } else if (former.sa_handler == SIG_IGN && sent) {
    return;  // a fault cannot be ignored, a signal can
  } else if (former.sa_handler == SIG_DFL || former.sa_handler == SIG_IGN) {
    // A signal that was sent would not come again by itself.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(signal, &standard, nullptr);
    if (sent) ::raise(signal);
  } else {
    former.sa_handler(signal);
  }
}

}  // namespace sennit::inline v0::detail

#include "io/sigpipe_guard.hpp"

#include "base/system.hpp"
#include "sched/current.hpp"

namespace sennit::inline v0::detail {
namespace {

sigset_t only_sigpipe() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

}  // namespace

sigpipe_guard::sigpipe_guard() noexcept {
  if (this_worker() != nullptr) return;
  sigset_t pending;
  ::sigpending(&pending);
  if (sigismember(&pending, SIGPIPE) == 1) return;  // blocked, and not ours to take back
  const sigset_t set = only_sigpipe();
  blocks_ = ::pthread_sigmask(SIG_BLOCK, &set, &before_) == 0 && sigismember(&before_, SIGPIPE) == 0;
}

sigpipe_guard::~sigpipe_guard() {
  if (!blocks_) return;
  take_back_sigpipe();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace sennit::inline v0::detail

#pragma once
// Writing to what may be a pipe without a reader (hazard 17): EPIPE, never the signal.
#include <csignal>
#include <ctime>

#include "sched/current.hpp"

namespace sennit::inline v0::detail {

/// While it lives, a SIGPIPE of the calling plain thread's own writes is swallowed. Workers block the signal for good,
/// so that on a fiber this costs nothing.
class no_sigpipe {
 public:
  no_sigpipe() noexcept : needed_(this_worker() == nullptr) {
    if (!needed_) return;
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) == 1) needed_ = false;  // one that is not ours waits already
    if (!needed_) return;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~no_sigpipe() {
    if (!needed_) return;
    const std::timespec now{};
    while (sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) {}
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  no_sigpipe(const no_sigpipe&) = delete;
  no_sigpipe& operator=(const no_sigpipe&) = delete;

 private:
  bool needed_;
  sigset_t pipe_{};
  sigset_t before_{};
};

}  // namespace sennit::inline v0::detail

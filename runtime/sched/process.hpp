#pragma once
// What a runtime needs of the process around it: signals, terminate, fork.
#include <csignal>

namespace sennit::inline v0::detail {

/// Once per process, at the first runtime: the stack overflow report, a terminate handler that names the fiber (and
/// then calls the one before it), the log's context, and the fork handler. Any thread.
void prepare_process();

/// How many forks this process descends by since the first runtime. A runtime made under another number belongs to an
/// ancestor: its workers do not exist here.
[[nodiscard]] unsigned fork_generation() noexcept;

/// While it lives, asynchronous signals are blocked on this thread, and so on the threads it starts; SIGPROF and the
/// synchronous ones are not.
class blocked_signals {
 public:
  blocked_signals() noexcept;
  ~blocked_signals();
  blocked_signals(const blocked_signals&) = delete;
  blocked_signals& operator=(const blocked_signals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace sennit::inline v0::detail

#pragma once
#include <csignal>

namespace sennit::inline v0::detail {

/// While it lives, a write to a pipe without readers fails with EPIPE and raises no signal that anybody would see.
/// Workers block SIGPIPE anyway, so there it does nothing; on a plain thread it blocks the signal, and takes back the
/// one that the write raised. On the thread that made it; the write must not switch.
class sigpipe_guard {
 public:
  sigpipe_guard() noexcept;
  ~sigpipe_guard();
  sigpipe_guard(const sigpipe_guard&) = delete;
  sigpipe_guard& operator=(const sigpipe_guard&) = delete;

 private:
  sigset_t before_{};
  bool blocks_ = false;
};

}  // namespace sennit::inline v0::detail

#pragma once
// One child process: how it is started, and how it is waited for.
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include <sennit/process.hpp>

#include "base/unique_fd.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0::detail {

/// Owned by its process object and by the calls on it. Any thread.
class child_process {
 public:
  child_process() noexcept = default;

  /// Our ends of the pipes: -1 where there is none.
  struct ends {
    unique_fd in, out, err;
  };
  /// On a thread that may block. The child, or null and why (-errno).
  static std::shared_ptr<child_process> start(host& outside, const std::string& program, const process::options& opts,
                                              ends& ours, std::ptrdiff_t& error);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// 0 and `into`, or what ended the wait.
  std::ptrdiff_t wait(exit_status& into, wait_bound until) noexcept;
  int send_signal(int signal) noexcept;
  /// The status was taken, or the child given away.
  [[nodiscard]] bool over() noexcept;
  /// From now on the caller's: false if its status was taken before.
  bool release() noexcept;

 private:
  std::ptrdiff_t take_status(host& outside) noexcept;

  pid_t pid_ = 0;
  io_handle pid_fd_;
  spin_lock lock_;  // whoever asks for the status, which the kernel gives only once
  std::optional<exit_status> status_ SENNIT_GUARDED_BY(lock_);
  bool released_ SENNIT_GUARDED_BY(lock_) = false;
};

}  // namespace sennit::inline v0::detail

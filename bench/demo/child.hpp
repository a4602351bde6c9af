#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// A child process with its standard output in a pipe. Owned and used by one thread; the destructor stops it.
class child {
 public:
  using clock = std::chrono::steady_clock;

  /// Starts `arguments[0]`, bound to `cpu` from its first instruction. Throws std::system_error.
  child(const std::vector<std::string>& arguments, int cpu, bool quiet);
  ~child();
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  /// The next line of its output; nothing at end of output or when `deadline` has passed. Calls `tick` about five times
  /// a second while it waits.
  std::optional<std::string> read_line(clock::time_point deadline, const std::function<void()>& tick = {});

  /// SIGTERM, then SIGKILL after `patience`. Returns what it still printed.
  std::vector<std::string> stop(std::chrono::seconds patience);

  /// As shells count: the exit code, or 128 + signal. Valid after stop() or end of output.
  int exit_code();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  std::string buffer_;
};

}  // namespace bench

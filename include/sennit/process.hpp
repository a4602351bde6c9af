#pragma once
// Child processes. What fork() cannot do in a program with fibers (the child has no workers), this does: start another
// program, talk to it, wait for it.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/error.hpp>
#include <sennit/pipe.hpp>

namespace sennit::inline v0 {

namespace detail {
class child_process;
}

/// How a process ended.
class exit_status {
 public:
  exit_status() noexcept = default;
  static exit_status exited(int code) noexcept { return {code, 0, false}; }
  static exit_status killed(int signal, bool core) noexcept { return {-1, signal, core}; }

  /// It returned 0.
  [[nodiscard]] bool success() const noexcept { return code_ == 0; }
  /// What it returned; -1 if a signal ended it.
  [[nodiscard]] int code() const noexcept { return code_; }
  /// The signal that ended it; 0 if it returned.
  [[nodiscard]] int signal() const noexcept { return signal_; }
  [[nodiscard]] bool core_dumped() const noexcept { return core_; }
  friend bool operator==(const exit_status&, const exit_status&) noexcept = default;

 private:
  exit_status(int code, int signal, bool core) noexcept : code_(code), signal_(signal), core_(core) {}
  int code_ = -1;
  int signal_ = 0;
  bool core_ = false;
};

/// What a child has as its standard input, output or error.
class child_stdio {
 public:
  /// What this process has.
  static child_stdio inherit() noexcept { return {kind::inherit, -1}; }
  /// Nothing to read; what is written is dropped.
  static child_stdio null() noexcept { return {kind::null, -1}; }
  /// A pipe, whose other end the process object has.
  static child_stdio pipe() noexcept { return {kind::pipe, -1}; }
  /// A descriptor of ours, which stays open here.
  static child_stdio descriptor(int fd) noexcept { return {kind::descriptor, fd}; }
  /// Standard error alone: what standard output is.
  static child_stdio same_as_output() noexcept { return {kind::output, -1}; }

 private:
  friend class detail::child_process;
  enum class kind : std::uint8_t { inherit, null, pipe, descriptor, output };
  child_stdio(kind what, int fd) noexcept : what_(what), fd_(fd) {}
  kind what_;
  int fd_;
};

/// A child of this process. Movable handle. wait() may run in several fibers at once, beside the signals.
///
/// The destructor, as that of std::jthread: a child that has not been waited for is killed (SIGKILL) and waited for,
/// whatever stops come. So no child is left behind, and no zombie; release() gives it away.
///
/// The child has the three standard descriptors and no other, whatever is open here; default actions for SIGPIPE and
/// for what is handled here; no blocked signals. It stays in our process group.
class process {
 public:
  struct options {
    std::vector<std::string> arguments = {};  ///< what follows argv[0], which is `program`
    /// "NAME=value"; not set: ours.
    std::optional<std::vector<std::string>> environment = {};
    std::string directory = {};  ///< where it starts; empty: where we are
    child_stdio in = child_stdio::inherit();
    child_stdio out = child_stdio::inherit();
    child_stdio err = child_stdio::inherit();
    bool search_path = true;  ///< a program without a slash is looked for in PATH
  };

  process() noexcept = default;
  process(process&&) noexcept = default;
  /// Ends the child of `*this`, as the destructor does.
  SENNIT_API process& operator=(process&& other) noexcept;
  SENNIT_API ~process();

  /// Starts `program`; parks until that is done (a helper thread does it). Throws std::system_error with the program in
  /// its message: what exec said (no_such_file_or_directory, also for `directory`; permission_denied;
  /// executable_format_error), too_many_files_open, resource_unavailable_try_again, invalid_argument for a NUL in one
  /// of the strings.
  static process spawn(const std::string& program) { return spawn(program, options{}); }
  SENNIT_API static process spawn(const std::string& program, const options& opts, const stop_token& stop = {});
  SENNIT_API static process spawn(const std::string& program, const options& opts, std::error_code& ec,
                                  const stop_token& stop = {});

  /// How it ended, once it has. Ambient cancellation point; that stop and the token's end the wait with
  /// operation_canceled, and the child goes on. no_child_process: somebody else took its status (SIGCHLD is ignored, or
  /// wait(2) was called for any child); bad_file_descriptor: no child.
  SENNIT_API exit_status wait(const stop_token& stop = {});
  SENNIT_API exit_status wait(std::error_code& ec, const stop_token& stop = {});
  /// The same, bounded: nothing if the deadline comes first.
  template <class Clock, class Duration>
  std::optional<exit_status> wait_until(const std::chrono::time_point<Clock, Duration>& t,
                                        const stop_token& stop = {}) {
    return wait_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  std::optional<exit_status> wait_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return wait_before({detail::deadline_in(d), &stop});
  }

  /// Sends it a signal; nothing happens if it has ended. Never another process: it is not named by number. Throws
  /// operation_not_permitted if it has changed its user, invalid_argument.
  SENNIT_API void send_signal(int signal);
  SENNIT_API void send_signal(int signal, std::error_code& ec) noexcept;
  /// SIGTERM: asks it to end.
  SENNIT_API void terminate();
  /// SIGKILL.
  SENNIT_API void kill();

  /// Our ends of its pipes, where options asked for some. Close in() to let the child see the end of its input.
  [[nodiscard]] pipe_writer& in() noexcept { return in_; }
  [[nodiscard]] pipe_reader& out() noexcept { return out_; }
  [[nodiscard]] pipe_reader& err() noexcept { return err_; }

  /// Its process id; 0 without a child. Stays, also when it has ended.
  [[nodiscard]] SENNIT_API int id() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return child_ != nullptr; }
  /// Gives the child away: from now on the caller waits for that process id. 0 if it was waited for already.
  SENNIT_API int release() noexcept;

 private:
  SENNIT_API std::optional<exit_status> wait_before(detail::wait_bound until);
  void end() noexcept;

  std::shared_ptr<detail::child_process> child_;
  std::string program_;
  pipe_writer in_;
  pipe_reader out_, err_;
};

}  // namespace sennit::inline v0

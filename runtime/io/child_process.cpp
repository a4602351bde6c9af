#include "io/child_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "base/host_processes.hpp"
#include "base/system.hpp"
#include "base/unique_fd.hpp"

namespace sennit::inline v0::detail {
namespace {

/// argv or envp: points into strings that outlive it.
std::vector<char*> pointers(const std::string* first, const std::vector<std::string>& rest) {
  std::vector<char*> all;
  all.reserve(rest.size() + 2);
  // exec does not write to them.
  if (first != nullptr) all.push_back(const_cast<char*>(first->c_str()));
  for (const std::string& s : rest) all.push_back(const_cast<char*>(s.c_str()));
  all.push_back(nullptr);
  return all;
}

/// posix_spawn's two lists, of which each call may fail for lack of memory.
class spawn_plan {
 public:
  spawn_plan() noexcept { error_ = -::posix_spawn_file_actions_init(&actions); }
  ~spawn_plan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;

  void add(int result) noexcept {
    if (error_ == 0) error_ = -result;
  }
  [[nodiscard]] int error() const noexcept { return error_; }

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};

 private:
  int error_ = 0;
};

void set_signals(spawn_plan& plan) noexcept {
  plan.add(::posix_spawnattr_init(&plan.attributes));
  // Whoever starts it blocks signals, as every thread of the runtime; and libraries ignore SIGPIPE.
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  plan.add(::posix_spawnattr_setsigmask(&plan.attributes, &none));
  plan.add(::posix_spawnattr_setsigdefault(&plan.attributes, &defaults));
  plan.add(::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
}

}  // namespace

std::shared_ptr<child_process> child_process::start(host& outside, const std::string& program,
                                                    const process::options& opts, ends& ours, std::ptrdiff_t& error) {
  using kind = child_stdio::kind;
  process_calls& calls = outside.processes();
  std::vector<unique_fd> theirs;  // until the child has them
  spawn_plan plan;
  set_signals(plan);
  const auto fail = [&error](std::ptrdiff_t why) {
    error = why;
    return std::shared_ptr<child_process>();
  };
  // A source may not be one of the targets: an earlier dup2 would have replaced it.
  const auto above = [&](int fd) -> int {
    if (fd < 0 || fd > 2) return fd;
    const int copy = calls.duplicate_above(fd, 3);
    if (copy >= 0) theirs.emplace_back(copy);
    return copy;
  };
  const auto connect = [&](const child_stdio& what, int target, unique_fd& our_end) -> int {
    switch (what.what_) {
      case kind::inherit: return 0;
      case kind::output: plan.add(::posix_spawn_file_actions_adddup2(&plan.actions, 1, target)); return 0;
      case kind::null: {
        plan.add(::posix_spawn_file_actions_addopen(&plan.actions, target, "/dev/null",
                                                    target == 0 ? O_RDONLY : O_WRONLY, 0));
        return 0;
      }
      case kind::pipe: {
        int fds[2];
        if (const int r = calls.pipe(fds); r < 0) return r;
        const int mine = target == 0 ? 1 : 0;
        our_end = unique_fd(fds[mine]);
        theirs.emplace_back(fds[1 - mine]);
        const int source = above(fds[1 - mine]);
        if (source < 0) return source;
        plan.add(::posix_spawn_file_actions_adddup2(&plan.actions, source, target));
        return 0;
      }
      case kind::descriptor: {
        const int source = what.fd_ < 0 ? -EBADF : above(what.fd_);
        if (source < 0) return source;
        plan.add(::posix_spawn_file_actions_adddup2(&plan.actions, source, target));
        return 0;
      }
    }
    return 0;
  };
  if (const int r = connect(opts.in, 0, ours.in); r < 0) return fail(r);
  if (const int r = connect(opts.out, 1, ours.out); r < 0) return fail(r);
  if (const int r = connect(opts.err, 2, ours.err); r < 0) return fail(r);
  plan.add(keep_standard_descriptors(plan.actions, plan.attributes));
  if (!opts.directory.empty()) {
    plan.add(::posix_spawn_file_actions_addchdir_np(&plan.actions, opts.directory.c_str()));
  }
  if (plan.error() != 0) return fail(plan.error());

  const std::vector<char*> arguments = pointers(&program, opts.arguments);
  const std::vector<char*> environment = opts.environment ? pointers(nullptr, *opts.environment) : std::vector<char*>();
  // Made before the child is there: from then on nothing may fail.
  auto made = std::make_shared<child_process>();
  const int started = calls.spawn(made->pid_, program.c_str(), opts.search_path, plan.actions, plan.attributes,
                                  arguments.data(), opts.environment ? environment.data() : own_environment());
  if (started < 0) return fail(started);
  const int pid_fd = calls.pid_fd(made->pid_);
  io_slot* const slot = pid_fd < 0 ? nullptr : io_slot::open(pid_fd, fd_kind::other, false);
  if (slot != nullptr) {
    made->pid_fd_ = io_handle(slot);
    return made;
  }
  // One that could not be waited for is not kept.
  siginfo_t ignored;
  static_cast<void>(calls.kill(made->pid_, SIGKILL));
  while (calls.wait(made->pid_, pid_fd, ignored, WEXITED) == -EINTR) {}
  if (pid_fd >= 0) outside.close(pid_fd);
  return fail(pid_fd < 0 ? pid_fd : -ENOMEM);
}

std::ptrdiff_t child_process::take_status(host& outside) noexcept {
  const spin_guard guard(lock_);
  if (status_) return 0;
  if (released_) return -ECHILD;
  siginfo_t info{};
  if (const int r = outside.processes().wait(pid_, pid_fd_.native(), info, WEXITED | WNOHANG); r < 0) return r;
  if (info.si_pid == 0) return -EAGAIN;
  status_ = info.si_code == CLD_EXITED ? exit_status::exited(info.si_status)
                                       : exit_status::killed(info.si_status, info.si_code == CLD_DUMPED);
  return 0;
}

std::ptrdiff_t child_process::wait(exit_status& into, wait_bound until) noexcept {
  io_slot& slot = *pid_fd_.slot();
  host& outside = current_host();
  std::ptrdiff_t result = take_status(outside);
  bool again = false;
  while (result == -EAGAIN) {
    const io_slot::word seen = slot.readiness(direction::read);
    // The pidfd becomes readable once, for good: whoever comes after that finds it so.
    result = take_status(outside);
    if (result != -EAGAIN) break;
    slot.exhausted(direction::read, seen);
    result = wait_ready(slot, direction::read, until, again);
    again = true;
    if (result == 0) result = take_status(outside);
  }
  if (waiter* const next = slot.pass_on(direction::read)) ready(*next);
  if (result < 0) return result;
  const spin_guard guard(lock_);
  into = status_.value_or(exit_status());
  return 0;
}

int child_process::send_signal(int signal) noexcept {
  // Ended and waited for: its number may be another's by now. Where there are descriptors of processes they know.
  const spin_guard guard(lock_);
  if (status_) return pid_fd_.native() < 0 ? -EBADF : 0;
  const int result = current_host().processes().signal_child(pid_fd_.native(), pid_, signal);
  return result == -ESRCH ? 0 : result;
}

bool child_process::over() noexcept {
  const spin_guard guard(lock_);
  return status_.has_value() || released_;
}

bool child_process::release() noexcept {
  const spin_guard guard(lock_);
  return !status_.has_value() && !std::exchange(released_, true);
}

}  // namespace sennit::inline v0::detail

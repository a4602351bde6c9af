#include "demo/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace bench {
namespace {

/// The calling thread on one CPU while this lives: a child started meanwhile inherits it.
class on_cpu {
 public:
  explicit on_cpu(int cpu) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~on_cpu() { ::sched_setaffinity(0, sizeof before_, &before_); }
  on_cpu(const on_cpu&) = delete;
  on_cpu& operator=(const on_cpu&) = delete;

 private:
  cpu_set_t before_{};
};

}  // namespace

child::child(const std::vector<std::string>& arguments, int cpu, bool quiet) {
  std::vector<char*> argv;
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (quiet) ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  int error = 0;
  {
    const on_cpu inherited(cpu);
    error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  out_ = ends[0];
  if (error != 0) {
    ::close(out_);
    throw std::system_error(error, std::generic_category(), "cannot start " + arguments[0]);
  }
}

child::~child() {
  stop(std::chrono::seconds(2));
  ::close(out_);
}

std::optional<std::string> child::read_line(clock::time_point deadline, const std::function<void()>& tick) {
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd ready{.fd = out_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 200))) > 0) {
      std::array<char, 4096> some;
      const auto n = ::read(out_, some.data(), some.size());
      if (n == 0) return std::nullopt;
      if (n > 0) buffer_.append(some.data(), static_cast<std::size_t>(n));
    }
    if (tick) tick();
  }
}

std::vector<std::string> child::stop(std::chrono::seconds patience) {
  std::vector<std::string> rest;
  if (reaped_) return rest;
  ::kill(pid_, SIGTERM);
  const auto deadline = clock::now() + patience;
  while (auto line = read_line(deadline)) rest.push_back(std::move(*line));
  if (clock::now() >= deadline) ::kill(pid_, SIGKILL);
  exit_code();
  return rest;
}

int child::exit_code() {
  while (!reaped_) {
    if (::waitpid(pid_, &status_, 0) == pid_)
      reaped_ = true;
    else if (errno != EINTR)
      return -1;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

}  // namespace bench

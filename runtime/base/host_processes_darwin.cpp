// Queues stand in for signalfd and pidfd: a queue can itself be polled, readable while an event waits in it.
// host_processes_linux.cpp is the same for Linux.
#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/host_processes.hpp"
#include "base/host_result.hpp"
#include "base/unique_fd.hpp"

namespace sennit::inline v0::detail {
namespace {

/// One change of a queue: 0 or -errno.
int change(int queue, std::uintptr_t ident, int filter, unsigned flags, unsigned detail) noexcept {
  struct kevent c{};
  c.ident = ident;
  c.filter = static_cast<decltype(c.filter)>(filter);
  c.flags = static_cast<decltype(c.flags)>(flags);
  c.fflags = detail;
  return host_result(::kevent(queue, &c, 1, nullptr, 0, nullptr));
}

/// -errno in `error` if there is none.
unique_fd new_queue(int& error) noexcept {
  unique_fd queue(host_result(::kqueue()));
  error = queue.get() < 0 ? queue.get() : host_result(::fcntl(queue.get(), F_SETFD, FD_CLOEXEC));
  return queue;
}

}  // namespace

int process_calls::signal_fd(const sigset_t& signals) noexcept {
  int error = 0;
  unique_fd queue = new_queue(error);
  for (int s = 1; s < NSIG && error >= 0; ++s) {
    if (sigismember(&signals, s) == 1)
      error = change(queue.get(), static_cast<std::uintptr_t>(s), EVFILT_SIGNAL, EV_ADD, 0);
  }
  return error < 0 ? error : queue.release();
}

// How often it was sent meanwhile is in `data`: as of one that is pending, it counts once.
int process_calls::take_signal(int fd, signal_record& into) noexcept {
  struct kevent taken{};
  const std::timespec at_once{};
  const int got = host_result(::kevent(fd, nullptr, 0, &taken, 1, &at_once));
  if (got < 0) return got;
  if (got == 0) return -EAGAIN;
  into = {.number = static_cast<int>(taken.ident)};
  return 0;
}

// Nobody takes the event out.
int process_calls::pid_fd(pid_t child) noexcept {
  int error = 0;
  unique_fd queue = new_queue(error);
  if (error >= 0) error = change(queue.get(), static_cast<std::uintptr_t>(child), EVFILT_PROC, EV_ADD, NOTE_EXIT);
  if (error == -ESRCH) {  // it has ended already, and waits for us
    error = change(queue.get(), 0, EVFILT_USER, EV_ADD, 0);
    if (error >= 0) error = change(queue.get(), 0, EVFILT_USER, 0, NOTE_TRIGGER);
  }
  return error < 0 ? error : queue.release();
}

int process_calls::signal_child(int, pid_t child, int signal) noexcept { return host_result(::kill(child, signal)); }

int process_calls::wait(pid_t child, int pid_fd, siginfo_t& into, int options) noexcept {
  const auto ask = [&](int how) {
    into = {};
    int got = 0;
    do got = host_result(::waitid(P_PID, static_cast<id_t>(child), &into, how));
    while (got == -EINTR);
    return got;
  };
  const int got = ask(options);
  if (got != 0 || into.si_pid != 0 || pid_fd < 0) return got;
  // The end is noted in queues shortly before there is a status: once it is, the status is waited for.
  pollfd ended{.fd = pid_fd, .events = POLLIN, .revents = 0};
  return ::poll(&ended, 1, 0) == 1 ? ask(options & ~WNOHANG) : 0;
}

}  // namespace sennit::inline v0::detail

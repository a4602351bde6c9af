#include <crt_externs.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/host.hpp"
#include "base/host_result.hpp"
#include "base/system.hpp"

namespace sennit::inline v0::detail {
namespace {

struct kevent flag_change(unsigned flags, unsigned detail) noexcept {
  struct kevent c{};
  c.filter = EVFILT_USER;
  c.flags = static_cast<decltype(c.flags)>(flags);
  c.fflags = detail;
  return c;
}

}  // namespace

void name_this_thread(const char* name) noexcept { pthread_setname_np(name); }

std::size_t threads_of_process() noexcept {
  thread_act_array_t all = nullptr;
  mach_msg_type_number_t count = 0;
  if (::task_threads(::mach_task_self(), &all, &count) != KERN_SUCCESS) return 0;
  for (mach_msg_type_number_t i = 0; i < count; ++i) ::mach_port_deallocate(::mach_task_self(), all[i]);
  ::vm_deallocate(::mach_task_self(), reinterpret_cast<vm_address_t>(all), count * sizeof *all);
  return count;
}

std::span<std::byte> own_stack() noexcept {
  auto* const end = static_cast<std::byte*>(pthread_get_stackaddr_np(pthread_self()));
  const std::size_t bytes = pthread_get_stacksize_np(pthread_self());
  return {end - bytes, bytes};
}

std::size_t signal_frame_bytes() noexcept { return MINSIGSTKSZ; }

// There is no affinity, and no cgroup.
unsigned allowed_cpus() noexcept { return static_cast<unsigned>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), long{1})); }

void take_back_sigpipe() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  sigset_t pending;
  int signal = 0;
  if (::sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1) ::sigwait(&set, &signal);
}

bool died_in_backlog(int error) noexcept { return error == ECONNABORTED || error == EPROTO; }

const int tcp_keepalive_idle = TCP_KEEPALIVE;

std::timespec modified(const struct stat& s) noexcept { return s.st_mtimespec; }

int peer_of(host& outside, int fd, peer_process& into) noexcept {
  xucred found{};
  socklen_t size = sizeof found;
  if (const int result = outside.getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, &found, &size); result < 0) return result;
  pid_t pid = 0;
  size = sizeof pid;
  if (const int result = outside.getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &size); result < 0) return result;
  into = {pid, found.cr_uid, found.cr_groups[0]};
  return 0;
}

int keep_standard_descriptors(posix_spawn_file_actions_t& actions, posix_spawnattr_t& attributes) noexcept {
  short flags = 0;
  int error = ::posix_spawnattr_getflags(&attributes, &flags);
  if (error == 0) {
    error = ::posix_spawnattr_setflags(&attributes, static_cast<short>(flags | POSIX_SPAWN_CLOEXEC_DEFAULT));
  }
  for (int fd = 0; fd <= 2 && error == 0; ++fd) {
    // What an action opens or copies stays by itself; one that is closed here cannot be named.
    if (::fcntl(fd, F_GETFD) >= 0) error = ::posix_spawn_file_actions_addinherit_np(&actions, fd);
  }
  return error;
}

char** own_environment() noexcept { return *_NSGetEnviron(); }

int make_pipe(int ends[2], bool nonblocking) noexcept {
  if (::pipe(ends) != 0) return -errno;
  bool made = true;
  for (int i = 0; i < 2 && made; ++i) {
    made = ::fcntl(ends[i], F_SETFD, FD_CLOEXEC) == 0 && (!nonblocking || ::fcntl(ends[i], F_SETFL, O_NONBLOCK) == 0);
  }
  if (made) return 0;
  const int error = errno;
  ::close(ends[0]);
  ::close(ends[1]);
  return -error;
}

const bool has_abstract_names = false;

// A queue can be polled: readable while an event waits in it, as this one does until it is taken out.
int make_flag() noexcept {
  const int queue = ::kqueue();
  if (queue < 0) return -errno;
  const struct kevent c = flag_change(EV_ADD | EV_CLEAR, 0);
  if (::fcntl(queue, F_SETFD, FD_CLOEXEC) == 0 && ::kevent(queue, &c, 1, nullptr, 0, nullptr) == 0) return queue;
  const int error = errno;
  ::close(queue);
  return -error;
}

void raise_flag(int flag) noexcept {
  const struct kevent c = flag_change(0, NOTE_TRIGGER);
  ::kevent(flag, &c, 1, nullptr, 0, nullptr);
}

void lower_flag(int flag) noexcept {
  struct kevent taken{};
  const std::timespec at_once{};
  ::kevent(flag, nullptr, 0, &taken, 1, &at_once);
}

const void* module_of(const void*) noexcept { return nullptr; }

}  // namespace sennit::inline v0::detail

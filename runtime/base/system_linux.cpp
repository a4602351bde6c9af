#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/host.hpp"
#include "base/host_result.hpp"
#include "base/system.hpp"

namespace sennit::inline v0::detail {

void name_this_thread(const char* name) noexcept { pthread_setname_np(pthread_self(), name); }

std::size_t threads_of_process() noexcept {
  struct stat tasks{};
  return ::stat("/proc/self/task", &tasks) == 0 ? tasks.st_nlink - 2 : 0;  // a folder for each
}

std::span<std::byte> own_stack() noexcept {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  void* low = nullptr;
  std::size_t bytes = 0;
  pthread_attr_getstack(&attributes, &low, &bytes);
  pthread_attr_destroy(&attributes);
  return {static_cast<std::byte*>(low), bytes};
}

std::size_t signal_frame_bytes() noexcept {
  return static_cast<std::size_t>(std::max(::sysconf(_SC_MINSIGSTKSZ), long{0}));
}

unsigned allowed_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(std::max(CPU_COUNT(&set), 1)) : 1;
}

void take_back_sigpipe() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  const std::timespec at_once{};
  ::sigtimedwait(&set, nullptr, &at_once);
}

bool died_in_backlog(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP: return true;
    default: return false;
  }
}

const int tcp_keepalive_idle = TCP_KEEPIDLE;

std::timespec modified(const struct stat& s) noexcept { return s.st_mtim; }

int peer_of(host& outside, int fd, peer_process& into) noexcept {
  ucred found{};
  socklen_t size = sizeof found;
  const int result = outside.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &size);
  if (result >= 0) into = {found.pid, found.uid, found.gid};
  return result;
}

int keep_standard_descriptors(posix_spawn_file_actions_t& actions, posix_spawnattr_t&) noexcept {
  return ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
}

char** own_environment() noexcept { return ::environ; }

int make_pipe(int ends[2], bool nonblocking) noexcept {
  return host_result(::pipe2(ends, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)));
}

const bool has_abstract_names = true;

int make_flag() noexcept { return host_result(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void raise_flag(int flag) noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(flag, &one, sizeof one);
}

void lower_flag(int flag) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto drained = ::read(flag, &count, sizeof count);
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
const void* module_of(const void* address) noexcept {
  dl_find_object found;
  return _dl_find_object(const_cast<void*>(address), &found) == 0 ? found.dlfo_map_start : nullptr;
}
#else
const void* module_of(const void*) noexcept { return nullptr; }
#endif

}  // namespace sennit::inline v0::detail

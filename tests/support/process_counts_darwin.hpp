#pragma once
// Included by process_counts.hpp: by the numbers there may be, and by Mach's list of threads.
#include <fcntl.h>
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sennit::test {

inline std::size_t open_descriptors(const std::string& kind) {
  if (kind == "io_uring") return 0;
  std::size_t n = 0;
  const int most = ::getdtablesize();
  for (int fd = 0; fd < most; ++fd) {
    struct stat s{};
    const bool counts = kind == "socket" ? ::fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode) : ::fcntl(fd, F_GETFD) >= 0;
    if (counts) ++n;
  }
  return n;
}

/// Calls `f` with each thread, and returns how many there are.
template <class F>
std::size_t each_thread(F&& f) {
  thread_act_array_t threads = nullptr;
  mach_msg_type_number_t count = 0;
  if (::task_threads(mach_task_self(), &threads, &count) != KERN_SUCCESS) return 0;
  for (mach_msg_type_number_t i = 0; i < count; ++i) {
    f(threads[i]);
    ::mach_port_deallocate(mach_task_self(), threads[i]);
  }
  ::vm_deallocate(mach_task_self(), reinterpret_cast<vm_address_t>(threads), count * sizeof *threads);
  return count;
}

inline std::size_t threads_of_process() {
  return each_thread([](thread_act_t) {});
}

inline bool others_sleep() {
  bool all = true;
  each_thread([&](thread_act_t t) {
    thread_basic_info info{};
    mach_msg_type_number_t size = THREAD_BASIC_INFO_COUNT;
    if (t == pthread_mach_thread_np(pthread_self())) return;
    if (::thread_info(t, THREAD_BASIC_INFO, reinterpret_cast<thread_info_t>(&info), &size) != KERN_SUCCESS) return;
    all = all && info.run_state == TH_STATE_WAITING;
  });
  return all;
}

template <class F>
void signal_others(int signal, F&& more) {
  do {
    each_thread([&](thread_act_t t) {
      const pthread_t thread = pthread_from_mach_thread_np(t);
      if (thread != nullptr && thread != pthread_self()) ::pthread_kill(thread, signal);
    });
  } while (more());
}

}  // namespace sennit::test

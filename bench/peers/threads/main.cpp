// Threads of the kernel: std::thread and what belongs to it. Workloads: bench/groups.py; command line:
// bench/peers/README.md.
#include <condition_variable>
#include <mutex>
#include <semaphore>
#include <system_error>
#include <thread>

#include "common/fibers.hpp"
#include "common/handoffs.hpp"
#include "common/program.hpp"

namespace {

struct thread_system {
  static void on_workers(unsigned, auto&& f) { f(); }
  static void yield() { std::this_thread::yield(); }
  static std::thread spawn(auto&& f) try { return std::thread(f); } catch (const std::system_error& e) {
    std::printf("cannot start so many threads: %s\n", e.code().message().c_str());
    bench::end_here();  // those that are there wait
  }
  static void wave(std::size_t count, auto&& f) { bench::join_each<thread_system>(count, f); }
  using gate = bench::condition_gate<std::mutex, std::condition_variable>;
};

constexpr auto in_two_threads = [](auto&& a, auto&& b) {
  std::thread first(a);
  b();
  first.join();
};

void mutex_uncontended(double seconds) {
  std::mutex m;
  std::thread([] {}).join();  // glibc locks for real once there has been a second thread
  bench::measure("mutex_uncontended", seconds, 1, [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      m.lock();
      m.unlock();
    }
  });
}

void semaphore_handoff(double seconds) { bench::semaphore_handoff<std::binary_semaphore>(seconds, in_two_threads); }

void condition_variable_handoff(double seconds) {
  bench::condition_variable_handoff<std::mutex, std::condition_variable>(seconds, in_two_threads);
}

constexpr bench::benchmark benchmarks[] = {
    bench::yield_2<thread_system>,
    bench::yield_2_sites_8<thread_system>,
    bench::yield_1k<thread_system>,
    bench::spawn_join_<thread_system>,
    bench::spawn_wave_1k_<thread_system>,
    bench::memory_100k<thread_system>,
    bench::mutex_contended_2_workers<thread_system, std::mutex>,
    {"mutex_uncontended", mutex_uncontended},
    {"semaphore_handoff", semaphore_handoff},
    {"condition_variable_handoff", condition_variable_handoff},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "std::thread (g++ " __VERSION__ ")", {benchmarks});
}

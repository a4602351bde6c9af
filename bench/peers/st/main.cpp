// State Threads' side of the comparison. To yield is to sleep for no time, as its documentation says.
// Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <st.h>

#include "common/c_thread.hpp"
#include "common/fibers.hpp"
#include "common/program.hpp"

namespace {

struct library {
  using thread = st_thread_t;
  static st_thread_t create(void* (*f)(void*), void* with) { return st_thread_create(f, with, 1, 16 << 10); }
  static void join(st_thread_t thread) {
    if (st_thread_join(thread, nullptr) != 0) bench::fail("st_thread_join");
  }
};

struct st_gate {
  st_cond_t opened = st_cond_new();
  bool open = false;
  void wait() {
    while (!open) st_cond_wait(opened);
  }
  void set() {
    open = true;
    st_cond_broadcast(opened);
  }
};

struct st_system {
  static void on_workers(unsigned, auto&& f) {
    st_set_eventsys(ST_EVENTSYS_ALT);  // epoll
    if (st_init() != 0) bench::fail("st_init");
    f();
  }
  static void yield() { st_usleep(0); }
  static bench::c_thread<library> spawn(auto&& f) { return bench::c_thread<library>(f); }
  static void wave(std::size_t count, auto&& f) { bench::join_each<st_system>(count, f); }
  using gate = st_gate;
};

constexpr bench::benchmark benchmarks[] = {
    bench::yield_2<st_system>,     bench::yield_2_sites_8<st_system>, bench::yield_1k<st_system>,
    bench::spawn_join_<st_system>, bench::spawn_wave_1k_<st_system>,  bench::memory_100k<st_system>,
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "State Threads 1.9 (g++ " __VERSION__ ")", {benchmarks});
}

// GNU Pth's side of the comparison. Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <pth.h>

#include <cmath>
#include <string>

#include "common/c_thread.hpp"
#include "common/fibers.hpp"
#include "common/program.hpp"

namespace {

struct library {
  using thread = pth_t;
  static pth_t create(void* (*f)(void*), void* with) {
    static const pth_attr_t attributes = [] {
      const pth_attr_t made = pth_attr_new();
      pth_attr_set(made, PTH_ATTR_STACK_SIZE, 16U << 10);
      return made;
    }();
    return pth_spawn(attributes, f, with);
  }
  static void join(pth_t thread) {
    if (pth_join(thread, nullptr) == 0) bench::fail("pth_join");
  }
};

struct pth_mutex {
  pth_mutex_t m = PTH_MUTEX_INIT;
  void lock() { pth_mutex_acquire(&m, 0, nullptr); }
  void unlock() { pth_mutex_release(&m); }
};

struct pth_condition {
  pth_cond_t c = PTH_COND_INIT;
  void wait(std::unique_lock<pth_mutex>& lock, auto&& until) {
    while (!until()) pth_cond_await(&c, &lock.mutex()->m, nullptr);
  }
  void notify_all() { pth_cond_notify(&c, 1); }
};

struct pth_system {
  static void on_workers(unsigned, auto&& f) {
    static const int made = pth_init();
    if (made == 0) bench::fail("pth_init");
    f();
  }
  static void yield() { pth_yield(nullptr); }
  static bench::c_thread<library> spawn(auto&& f) { return bench::c_thread<library>(f); }
  static void wave(std::size_t count, auto&& f) { bench::join_each<pth_system>(count, f); }
  using gate = bench::condition_gate<pth_mutex, pth_condition>;
};

/// Each takes longer to spawn than the one before, so this looks first how far it comes.
void memory_100k(double seconds) {
  constexpr double patience = 2;  // seconds
  pth_system::on_workers(1, [&] {
    const std::size_t wanted = bench::full(100'000, seconds);
    std::size_t count = 0;
    for (const double begin = bench::wall_seconds(); count < wanted; ++count) {
      if (bench::wall_seconds() > begin + patience)
        throw bench::cannot("spawn so many in time: it had " + std::to_string(count) + " after " +
                            std::to_string(std::lround(patience)) + " s");
      library::create([](void*) -> void* { return nullptr; }, nullptr);
    }
    bench::parked<pth_system>("memory_100k", seconds, 100'000);
  });
}

constexpr bench::benchmark benchmarks[] = {
    bench::yield_2<pth_system>,     bench::yield_2_sites_8<pth_system>, bench::yield_1k<pth_system>,
    bench::spawn_join_<pth_system>, bench::spawn_wave_1k_<pth_system>,  {"memory_100k", memory_100k},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "GNU Pth " PTH_VERSION_STR " (g++ " __VERSION__ ")", {benchmarks});
}

// The floors of the scheduler's workloads, and what the machine's own verbs take.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "common/fibers.hpp"
#include "common/program.hpp"
#include "floor/two_stacks.hpp"

namespace {

using namespace bench;

[[gnu::noinline]] void nothing() { asm volatile(""); }

void calls(std::uint64_t count) {
  void (*volatile f)() = nothing;
  for (std::uint64_t i = 0; i < count; ++i) f();
}

void call_ret(double seconds) { measure("call_ret", seconds, 1, calls); }
void spawn_join(double seconds) { measure("spawn_join", seconds, 1, calls); }
void spawn_wave_1k(double seconds) { measure("spawn_wave_1k", seconds, 1, calls); }

void spawn_1m(double seconds) {
  measure("spawn_1m", seconds, 1, calls);
  report("spawn_1m_peak", bytes_in("/proc/self/status", "VmHWM") / (1 << 20));
}

[[gnu::noinline]] std::uint64_t sum(std::uint64_t first, std::uint64_t leaves) {
  asm volatile("" : "+r"(leaves));  // what is known about a call is not used in it
  if (leaves == 1) return first;
  std::uint64_t all = 0;
  for (std::uint64_t i = 0; i < 10; ++i) all += sum(first + i * (leaves / 10), leaves / 10);
  return all;
}

void recursion(const char* name, double seconds) {
  const std::uint64_t leaves = full(1'000'000, seconds);
  const double begin = wall_seconds();
  if (sum(0, leaves) != leaves * (leaves - 1) / 2) fail("skynet: wrong sum");
  report(name, (wall_seconds() - begin) * 1e3);
}
void skynet_1m(double seconds) { recursion("skynet_1m", seconds); }
void skynet_1m_2_workers(double seconds) { recursion("skynet_1m_2_workers", seconds); }

/// Pages that are not there yet.
class pages {
 public:
  static constexpr std::size_t size = 4096;

  explicit pages(std::size_t count) : bytes_(count * size) {
    void* const at =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED || ::madvise(at, bytes_, MADV_NOHUGEPAGE) != 0) fail("no memory to fault in");
    at_ = static_cast<volatile char*>(at);
  }
  ~pages() { ::munmap(const_cast<char*>(at_), bytes_); }
  pages(const pages&) = delete;
  pages& operator=(const pages&) = delete;

  void touch() const {
    for (std::size_t i = 0; i < bytes_; i += size) at_[i] = 1;
  }

 private:
  std::size_t bytes_;
  volatile char* at_;
};

void page_fault(double seconds) {
  static constexpr std::size_t each = 1000;
  measure_timed("page_fault", seconds, each, [](std::uint64_t n) {
    double took = 0;
    for (; n > 0; --n) {
      const pages fresh(each);
      const double begin = wall_seconds();
      fresh.touch();
      took += wall_seconds() - begin;
    }
    return took;
  });
}

/// The least that a stack needs: a page each.
void pages_of(const char* name, double seconds, std::size_t size) {
  const std::size_t count = full(size, seconds);
  need_memory(static_cast<double>(count * pages::size));
  const footprint before;
  const double begin = wall_seconds();
  const pages fresh(count);
  fresh.touch();
  report_growth(name, static_cast<double>(count), before, wall_seconds() - begin);
}
void memory_100k(double seconds) { pages_of("memory_100k", seconds, 100'000); }
void memory_1m(double seconds) { pages_of("memory_1m", seconds, 1'000'000); }

void getppid(double seconds) {
  measure("getppid", seconds, 1, [](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) ::syscall(SYS_getppid);
  });
}

/// The nanoseconds that signs take from one thread to another: give(turn) here makes await(turn), which returns the
/// turn that has come, return there.
std::vector<double> signs(double seconds, std::chrono::microseconds between, auto&& give, auto&& await) {
  static constexpr std::uint64_t last = ~std::uint64_t{0};
  std::atomic<std::uint64_t> seen{0};
  steady::time_point came;
  std::vector<double> each;
  std::jthread other([&] {
    for (std::uint64_t turn = 1;; ++turn) {
      const bool ends = await(turn) == last;
      came = steady::now();
      seen.store(turn, std::memory_order_release);
      if (ends) return;
    }
  });
  for (const double begin = wall_seconds(); each.size() < 9 || wall_seconds() < begin + seconds;) {
    const std::uint64_t turn = each.size() + 1;
    for (const auto until = steady::now() + between; steady::now() < until;) {}
    const auto given = steady::now();
    give(turn);
    while (seen.load(std::memory_order_acquire) != turn) {}
    each.push_back(std::chrono::duration<double, std::nano>(came - given).count());
  }
  give(last);
  return each;
}

/// A thread that asks until it sees; the median.
void stores(const char* name, double seconds) {
  std::atomic<std::uint64_t> now{0};
  auto each = signs(
      seconds, {}, [&](std::uint64_t turn) { now.store(turn, std::memory_order_release); },
      [&](std::uint64_t turn) {
        for (;;) {
          if (const std::uint64_t v = now.load(std::memory_order_acquire); v >= turn) return v;
        }
      });
  report(name, median(each));
}
void wake_2_workers(double seconds) { stores("wake_2_workers", seconds); }
void spawn_across(double seconds) { stores("spawn_across", seconds); }

/// A thread that the kernel wakes; it has time to fall asleep.
std::vector<double> kernel_wakes(double seconds, std::chrono::microseconds between) {
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  std::atomic<std::uint64_t> now{0};
  auto each = signs(
      seconds, between,
      [&](std::uint64_t turn) {
        now.store(turn, std::memory_order_relaxed);
        if (::eventfd_write(fd, 1) != 0) fail("eventfd_write");
      },
      [&](std::uint64_t) {
        eventfd_t value = 0;
        if (::eventfd_read(fd, &value) != 0) fail("eventfd_read");
        return now.load(std::memory_order_relaxed);
      });
  ::close(fd);
  return each;
}
void eventfd_wake(double seconds) {
  auto each = kernel_wakes(seconds, std::chrono::microseconds(50));
  report("eventfd_wake", median(each));
}
void steal_2_workers(double seconds) {
  for (const char* const name : {"steal_spawned_p99", "steal_woken_p99"}) {
    auto each = kernel_wakes(seconds / 2, std::chrono::microseconds(100));
    report(name, quantile(each, 0.99) / 1e3);
  }
}

#if defined(SENNIT_BARE_SWITCH)
void switches(const char* name, double seconds) {
  two_stacks stacks;
  measure(name, seconds, 2, [&](std::uint64_t n) { stacks.rounds(n); });
}
void bare_switch(double seconds) { switches("bare_switch", seconds); }
void switch_(double seconds) { switches("switch", seconds); }
void yield_2(double seconds) { switches("yield_2", seconds); }
void yield_2_sites_8(double seconds) { switches("yield_2_sites_8", seconds); }
void in_a_ring(const char* name, double seconds, std::size_t count) {
  ring_of_stacks stacks(count);
  measure(name, seconds, static_cast<double>(count), [&](std::uint64_t n) { stacks.rounds(n); });
}
void yield_1k(double seconds) { in_a_ring("yield_1k", seconds, 1000); }
void yield_100k(double seconds) { in_a_ring("yield_100k", seconds, full(100'000, seconds)); }

void yield_1k_2_workers(double seconds) {
  std::barrier both(2);
  std::atomic<std::uint64_t> rounds{0};
  std::jthread second([&] {
    two_stacks stacks;
    for (;;) {
      both.arrive_and_wait();
      if (rounds == 0) return;
      stacks.rounds(rounds);
      both.arrive_and_wait();
    }
  });
  two_stacks stacks;
  measure("yield_1k_2_workers", seconds, 4, [&](std::uint64_t n) {
    rounds = n;
    both.arrive_and_wait();
    stacks.rounds(n);
    both.arrive_and_wait();
  });
  rounds = 0;
  both.arrive_and_wait();
}
#endif

constexpr benchmark benchmarks[] = {
    {"call_ret", call_ret},
    {"page_fault", page_fault},
    {"eventfd_wake", eventfd_wake},
    {"getppid", getppid},
    {"spawn_join", spawn_join},
    {"spawn_wave_1k", spawn_wave_1k},
    {"spawn_1m", spawn_1m},
    {"skynet_1m", skynet_1m},
    {"skynet_1m_2_workers", skynet_1m_2_workers},
    {"wake_2_workers", wake_2_workers},
    {"spawn_across", spawn_across},
    {"steal_2_workers", steal_2_workers},
    {"memory_100k", memory_100k},
    {"memory_1m", memory_1m},
#if defined(SENNIT_BARE_SWITCH)
    {"bare_switch", bare_switch},
    {"switch", switch_},
    {"yield_2", yield_2},
    {"yield_2_sites_8", yield_2_sites_8},
    {"yield_1k", yield_1k},
    {"yield_100k", yield_100k},
    {"yield_1k_2_workers", yield_1k_2_workers},
#endif
};

}  // namespace

std::span<const benchmark> bench::sched_benchmarks() { return benchmarks; }

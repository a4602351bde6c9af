// The floors of the comparison: the least that each workload can cost here, with nothing around it. A switch is the
// bare assembly loop that the microbenchmark of the switch uses too; a lock is one exchange, an unlock another.
// Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <sys/prctl.h>
#include <time.h>

#include <atomic>
#include <queue>
#include <thread>

#include "common/program.hpp"
#include "floor/two_stacks.hpp"

void serve_echo(bool idle, unsigned threads = 1);  // io.cpp
void serve_churn();
void serve_http();  // http.cpp

namespace {

/// `count` times a lock and an unlock of a lock that nobody else wants.
void lock_pairs(std::uint64_t count) {
  static std::atomic<int> lock{0};
  for (std::uint64_t i = 0; i < count; ++i) {
    if (lock.exchange(1, std::memory_order_acquire) != 0) bench::fail("the floor's lock is taken");
    lock.exchange(0, std::memory_order_release);
  }
}

/// In each of two threads, by turns.
void mutex_contended_2_workers(double seconds) {
  bench::measure("mutex_contended_2_workers", seconds, 2, [](std::uint64_t n) {
    std::atomic<int> lock{0};
    const auto pairs = [&, n] {
      for (std::uint64_t i = 0; i < n; ++i) {
        while (lock.exchange(1, std::memory_order_acquire) != 0) {}
        lock.exchange(0, std::memory_order_release);
      }
    };
    std::thread other(pairs);
    pairs();
    other.join();
  });
}

/// lock_pairs alone: `each` of them per operation.
template <int each>
void pairs(const char* name, double seconds) {
  bench::measure(name, seconds, 1, [](std::uint64_t n) { lock_pairs(n * each); });
}

void channel_buffered64_message(double seconds) { pairs<2>("channel_buffered64_message", seconds); }
void mutex_uncontended(double seconds) { pairs<1>("mutex_uncontended", seconds); }
void select_4_one_ready(double seconds) { pairs<2>("select_4_one_ready", seconds); }

#if defined(SENNIT_BARE_SWITCH)
/// n rounds, which are two switches each, and `locks` lock pairs for each switch.
template <int locks>
void switches(const char* name, double seconds, double operations_per_round) {
  two_stacks stacks;
  bench::measure(name, seconds, operations_per_round, [&](std::uint64_t n) {
    stacks.rounds(n);
    lock_pairs(n * 2 * locks);
  });
}

void channel_unbuffered_round_trip(double seconds) { switches<0>("channel_unbuffered_round_trip", seconds, 1); }
void lock_yield_unlock_1000(double seconds) { switches<1>("lock_yield_unlock_1000", seconds, 2); }
void semaphore_handoff(double seconds) { switches<0>("semaphore_handoff", seconds, 2); }
void condition_variable_handoff(double seconds) { switches<1>("condition_variable_handoff", seconds, 2); }
void ping_pong_2_workers(double seconds) { switches<0>("ping_pong_2_workers", seconds, 1); }
#endif

/// One thread with a heap of deadlines, which sleeps until the next.
void sleeping(const char* name, std::size_t count, double seconds) {
  ::prctl(PR_SET_TIMERSLACK, 1);
  struct sleeper {
    bench::steady::time_point due;
    std::size_t left;  // sleeps, this one included
    bool operator<(const sleeper& other) const { return due > other.due; }
  };
  bench::sleeps all(name, count, seconds);
  std::priority_queue<sleeper> next;
  for (std::size_t i = 0; i < all.sleepers; ++i) next.push({bench::steady::now() + all.next(), all.each()});
  while (!next.empty()) {
    const sleeper first = next.top();
    if (first.due > bench::steady::now()) {
      const auto ns = first.due.time_since_epoch().count();
      const ::timespec until{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
      ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    }
    next.pop();
    all.over(first.due);
    if (first.left > 1) next.push({bench::steady::now() + all.next(), first.left - 1});
  }
  all.report_all();
}

void sleep_10k(double seconds) { sleeping("sleep_10k", 10'000, seconds); }
void sleep_100k(double seconds) { sleeping("sleep_100k", bench::full(100'000, seconds), seconds); }

constexpr bench::benchmark benchmarks[] = {
    {"channel_buffered64_message", channel_buffered64_message},
    {"mutex_uncontended", mutex_uncontended},
    {"mutex_contended_2_workers", mutex_contended_2_workers},
    {"select_4_one_ready", select_4_one_ready},
#if defined(SENNIT_BARE_SWITCH)
    {"channel_unbuffered_round_trip", channel_unbuffered_round_trip},
    {"lock_yield_unlock_1000", lock_yield_unlock_1000},
    {"semaphore_handoff", semaphore_handoff},
    {"condition_variable_handoff", condition_variable_handoff},
    {"ping_pong_2_workers", ping_pong_2_workers},
#endif
    {"sleep_10k", sleep_10k},
    {"sleep_100k", sleep_100k},
};

constexpr bench::server servers[] = {
    {"--serve", bench::echo_names, [] { serve_echo(false); }},
    {"--serve-idle", bench::idle_names, [] { serve_echo(true); }},
    {"--serve-2", bench::scaling_names, [] { serve_echo(false, 2); }},
    {"--serve-churn", bench::churn_names, serve_churn},
    {"--serve-http", bench::http_names, serve_http},
    {"--serve-http-bare", bench::http_bare_names, serve_http},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "bare switches, exchanges, and a heap of deadlines",
                        {benchmarks, bench::io_benchmarks(), bench::sched_benchmarks()}, servers);
}

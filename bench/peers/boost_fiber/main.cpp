// Boost.Fiber's side of the comparison: round_robin, the default, on one worker; work_stealing on two, where an idle
// worker sleeps as in the other systems. It has neither semaphores nor select. Workloads: bench/groups.py; command
// line: bench/peers/README.md.
#include <boost/fiber/all.hpp>
#include <boost/version.hpp>

#include <mutex>
#include <vector>

#include "boost_fiber/workers.hpp"
#include "common/handoffs.hpp"
#include "common/program.hpp"

namespace {

namespace fibers = boost::fibers;

/// Of the default size, for whoever makes many fibers on one worker.
fibers::pooled_fixedsize_stack pooled_stacks() {
  static const fibers::pooled_fixedsize_stack all;
  return all;
}

constexpr auto in_two_fibers = [](auto&& a, auto&& b) {
  fibers::fiber first(a);
  fibers::fiber second(b);
  first.join();
  second.join();
};

void round_trips(const char* name, double seconds) {
  bench::measure(name, seconds, 1, [](std::uint64_t n) {
    fibers::unbuffered_channel<int> there;
    fibers::unbuffered_channel<int> back;
    in_two_fibers(
        [&] {
          int v = 1;
          for (std::uint64_t i = 0; i < n; ++i) {
            there.push(v);
            back.pop(v);
          }
        },
        [&] {
          int v = 1;
          for (std::uint64_t i = 0; i < n; ++i) {
            there.pop(v);
            back.push(v);
          }
        });
  });
}

void channel_unbuffered_round_trip(double seconds) { round_trips("channel_unbuffered_round_trip", seconds); }

void ping_pong_2_workers(double seconds) {
  on_workers(2, [&] { round_trips("ping_pong_2_workers", seconds); });
}

void channel_buffered64_message(double seconds) {
  bench::measure("channel_buffered64_message", seconds, 1, [](std::uint64_t n) {
    fibers::buffered_channel<int> ch(64);
    in_two_fibers(
        [&] {
          for (std::uint64_t i = 0; i < n; ++i) ch.push(1);
        },
        [&] {
          int v = 0;
          for (std::uint64_t i = 0; i < n; ++i) ch.pop(v);
        });
  });
}

void mutex_uncontended(double seconds) {
  fibers::mutex m;
  bench::measure("mutex_uncontended", seconds, 1, [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      m.lock();
      m.unlock();
    }
  });
}

void lock_yield_unlock_1000(double seconds) {
  constexpr std::size_t count = 1000;
  bench::measure("lock_yield_unlock_1000", seconds, count * 10, [](std::uint64_t n) {
    fibers::mutex m;
    std::vector<fibers::fiber> all;
    all.reserve(count);
    for (std::size_t f = 0; f < count; ++f) {
      all.emplace_back(std::allocator_arg, pooled_stacks(), [&] {
        for (std::uint64_t i = 0; i < n * 10; ++i) {
          const std::lock_guard lock(m);
          boost::this_fiber::yield();
        }
      });
    }
    for (auto& f : all) f.join();
  });
}

void condition_variable_handoff(double seconds) {
  bench::condition_variable_handoff<fibers::mutex, fibers::condition_variable>(seconds, in_two_fibers);
}

void sleeping(const char* name, std::size_t count, double seconds) {
  bench::sleeps all(name, count, seconds);
  std::vector<fibers::fiber> sleepers;
  for (std::size_t f = 0; f < all.sleepers; ++f) {
    sleepers.emplace_back(std::allocator_arg, pooled_stacks(), [&] {
      for (std::size_t i = 0; i < all.each(); ++i) {
        const auto duration = all.next();
        const auto due = bench::steady::now() + duration;
        boost::this_fiber::sleep_for(duration);
        all.over(due);
      }
    });
  }
  for (auto& f : sleepers) f.join();
  all.report_all();
}

void sleep_10k(double seconds) { sleeping("sleep_10k", 10'000, seconds); }
void sleep_100k(double seconds) { sleeping("sleep_100k", bench::full(100'000, seconds), seconds); }

constexpr bench::benchmark benchmarks[] = {
    {"channel_unbuffered_round_trip", channel_unbuffered_round_trip},
    {"channel_buffered64_message", channel_buffered64_message},
    {"mutex_uncontended", mutex_uncontended},
    {"lock_yield_unlock_1000", lock_yield_unlock_1000},
    {"condition_variable_handoff", condition_variable_handoff},
    {"sleep_10k", sleep_10k},
    {"sleep_100k", sleep_100k},
    {"ping_pong_2_workers", ping_pong_2_workers},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "Boost.Fiber " BOOST_LIB_VERSION " (g++ " __VERSION__ ")",
                        {benchmarks, bench::sched_benchmarks()});
}

// Of takeover_test.cpp: what needs a thread to be held to a CPU, and to be given next to none of it.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <sennit/runtime.hpp>

#include "base/atomic.hpp"
#include "sched/thread_use.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// The fiber computes for less than the threshold, but others leave its worker next to no CPU meanwhile.
TEST(takeover_test, a_worker_that_gets_no_cpu_is_not_reported) {
  runtime rt({.workers = 1, .stall_threshold = 50ms});
  std::atomic<bool> begun{false};
  std::atomic<bool> done{false};
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  std::thread greedy([&] {
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    while (!begun) std::this_thread::yield();
    while (!done) detail::cpu_pause();
  });
  rt.run([&] {
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    const sched_param none{};
    EXPECT_EQ(::sched_setscheduler(0, SCHED_IDLE, &none), 0);
    const auto wall = steady_clock::now();
    const auto cpu = detail::thread_cpu_time(::pthread_self());
    begun = true;
    while (detail::thread_cpu_time(::pthread_self()) - cpu < 1'000'000 || steady_clock::now() - wall < 100ms) {}
    done = true;
  });
  greedy.join();
  EXPECT_EQ(rt.stats().stalls, 0u);
}

}  // namespace
}  // namespace sennit::test

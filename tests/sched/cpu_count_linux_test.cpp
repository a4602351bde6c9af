// Of cpu_count_test.cpp: what the affinity of a thread says.
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include <sennit/runtime.hpp>

#include "sched/cpu_count.hpp"

namespace sennit::detail {
namespace {

/// A thread that may run on the first allowed CPU only.
template <class F>
void on_one_cpu(F&& f) {
  std::thread([&] {
    cpu_set_t allowed, one;
    ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    f();
  }).join();
}

TEST(cpu_count_test, follows_the_affinity_mask) {
  on_one_cpu([] {
    EXPECT_EQ(default_worker_count(), 1u);
    EXPECT_EQ(runtime().workers(), 1u);
  });
}

}  // namespace
}  // namespace sennit::detail

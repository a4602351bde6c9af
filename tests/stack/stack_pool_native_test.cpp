// Tests of what the kernel does with many stacks. An emulator has neither guard markers nor its own mappings, limits
// and resident sizes; a sanitizer adds shadow memory to all of them.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "stack/on_stack.hpp"
#include "stack/stack_error.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::detail {
namespace {

std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

std::size_t resident_set() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Until there is no more: the stacks made, and why it ended.
std::error_code allocate_all(stack_pool& pool, stack_class cls, std::vector<std::byte*>& slots) {
  std::size_t made = slots.size(), total = 0;
  while (total < slots.size()) {
    if (const auto error = pool.allocate(cls, std::span(slots).subspan(total), made)) {
      slots.resize(total);
      return error;
    }
    total += made;
  }
  return {};
}

TEST(stack_pool_native, guards_200000_stacks_in_a_few_mappings) {
  constexpr std::size_t count = 200000;
  stack_pool pool;
  std::vector<std::byte*> slots(count);
  const auto error = allocate_all(pool, stack_class::normal, slots);
  std::printf("%zu stacks, %zu mappings\n", slots.size(), count_mappings());
  if (pool.guards(stack_class::normal) == guard_kind::protection) {  // a kernel before 6.13
    EXPECT_EQ(error, stack_errc::map_limit) << "two mappings a stack cannot fit";
    return;
  }
  ASSERT_FALSE(error) << error.message();
  EXPECT_EQ(slots.size(), count);
  EXPECT_LT(count_mappings(), 500u);
  const auto seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  test::kernel_reader kernel;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(kernel.guarded({slots[random() % count], stack_class::normal}));
  }
}

// Hazard 10, both halves: no huge pages, and memory comes back.
TEST(stack_pool_native, gives_the_memory_of_100000_stacks_back) {
  constexpr std::size_t count = 100000, deep_every = 25, budget = 16 << 20;
  const std::size_t start = resident_set();
  stack_pool pool(stack_pool_options{.resident_budget = budget});
  std::vector<std::byte*> slots(count);
  const auto error = allocate_all(pool, stack_class::normal, slots);
  ASSERT_TRUE(!error || error == stack_errc::map_limit) << error.message();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::size_t depth = i % deep_every == 0 ? 128 * 1024 : 1024;
    std::memset(stack{slots[i], stack_class::normal}.end() - depth, 0x5a, depth);
  }
  const std::size_t peak = resident_set();
  EXPECT_GT(peak - start, slots.size() * 4096);

  std::ifstream smaps("/proc/self/smaps");
  bool ours = false;
  for (std::string line; std::getline(smaps, line);) {
    std::size_t low = 0, high = 0, kib = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx ", &low, &high) == 2) {
      const auto slot = reinterpret_cast<std::size_t>(slots.front());
      ours = low <= slot + guard_bytes && slot + guard_bytes < high;
    } else if (ours && std::sscanf(line.c_str(), "AnonHugePages: %zu kB", &kib) == 1) {
      EXPECT_EQ(kib, 0u);
    } else if (ours && line.starts_with("VmFlags:")) {
      EXPECT_NE(line.find(" nh"), std::string::npos) << line << " (no MADV_NOHUGEPAGE)";
    }
  }

  pool.release(stack_class::normal, slots);
  const std::size_t after = resident_set();
  std::printf("resident: %zu MiB, then %zu MiB, then %zu MiB\n", start >> 20, peak >> 20, after >> 20);
  EXPECT_LT(after - start, budget + (std::size_t{16} << 20));
}

TEST(stack_pool_native, names_the_limit_of_mappings) {
  std::error_code error;
  std::size_t reached = 0;
  std::error_code while_full, after_release;
  {
    std::size_t limit = 0;
    std::ifstream("/proc/sys/vm/max_map_count") >> limit;
    stack_pool pool(stack_pool_options{.guards = guard_kind::protection});
    std::vector<std::byte*> slots(limit);
    error = allocate_all(pool, stack_class::small, slots);
    reached = slots.size();
    stack s;
    while_full = pool.allocate(stack_class::normal, s);  // an arena of its own
    if (reached > 0) pool.release({slots.back(), stack_class::small});
    after_release = pool.allocate(stack_class::small, s);
  }  // the process can map again: now it may print
  EXPECT_EQ(error, stack_errc::map_limit) << error.message();
  EXPECT_EQ(error, std::errc::not_enough_memory);
  EXPECT_GT(reached, 1000u);
  EXPECT_EQ(while_full, stack_errc::map_limit) << while_full.message();
  EXPECT_FALSE(after_release) << "stacks that are there go on being used";
  std::printf("%zu stacks\n", reached);
}

TEST(stack_pool_native, names_the_limit_of_address_space) {
  rlimit former = {};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &former), 0);
  stack_pool pool;
  stack s;
  const rlimit tight{std::size_t{32} << 20, former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &tight), 0);
  const auto error = pool.allocate(stack_class::normal, s);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &former), 0);
  EXPECT_EQ(error, stack_errc::address_space) << error.message();
  EXPECT_EQ(pool.stats().arenas, 0u);
  EXPECT_FALSE(pool.allocate(stack_class::normal, s));
}

}  // namespace
}  // namespace sennit::detail

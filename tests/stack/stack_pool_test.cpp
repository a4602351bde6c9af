#include "stack/stack_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "stack/stack_error.hpp"
#include "support/scale.hpp"

namespace sennit::detail {
namespace {

std::vector<std::byte*> allocate(stack_pool& pool, stack_class cls, std::size_t count) {
  std::vector<std::byte*> slots(count);
  std::size_t made = 0;
  EXPECT_FALSE(pool.allocate(cls, slots, made));
  EXPECT_EQ(made, count);
  return slots;
}

void use(std::byte* slot, stack_class cls, std::size_t bytes) {
  const stack s{slot, cls};
  std::memset(s.end() - bytes, 0x5a, bytes);
}

TEST(stack_pool, gives_the_latest_stack_back_first) {
  stack_pool pool;
  stack a, b;
  ASSERT_FALSE(pool.allocate(stack_class::normal, a));
  ASSERT_FALSE(pool.allocate(stack_class::normal, b));
  EXPECT_EQ(a.cls, stack_class::normal);
  EXPECT_NE(a.slot, b.slot);
  pool.release(a);
  pool.release(b);
  stack again;
  ASSERT_FALSE(pool.allocate(stack_class::normal, again));
  EXPECT_EQ(again.slot, b.slot);
  ASSERT_FALSE(pool.allocate(stack_class::normal, again));
  EXPECT_EQ(again.slot, a.slot);
}

TEST(stack_pool, never_mixes_classes_or_hands_a_slot_out_twice) {
  stack_pool pool;
  std::set<std::byte*> seen;
  for (std::size_t i = 0; i < stack_classes; ++i) {
    const auto cls = static_cast<stack_class>(i);
    const std::size_t count = 2 * slots_per_arena(cls) + 1;
    for (int round = 0; round < 2; ++round) {
      const auto slots = allocate(pool, cls, count);
      for (std::byte* const slot : slots) {
        EXPECT_EQ(find_stack(slot).slot, slot);
        EXPECT_EQ(find_stack(slot).cls, cls);
        EXPECT_EQ(seen.insert(slot).second, round == 0) << "the second round reuses all and makes none";
      }
      pool.release(cls, slots);
    }
  }
  EXPECT_EQ(pool.stats().arenas, 3 * stack_classes);
}

TEST(stack_pool, counts) {
  stack_pool pool;
  const auto slots = allocate(pool, stack_class::small, 100);
  pool.release(stack_class::small, std::span(slots).first(60));
  auto now = pool.stats();
  EXPECT_EQ(now.in_use, 40u);
  EXPECT_EQ(now.cached, 60u);
  EXPECT_EQ(now.high_water, 100u);
  EXPECT_EQ(now.arenas, 1u);
  EXPECT_EQ(now.trims, 0u);
  EXPECT_EQ(now.cached_bytes, 60 * usable_bytes(stack_class::small)) << "nobody has looked at them yet";
  allocate(pool, stack_class::small, 10);
  now = pool.stats();
  EXPECT_EQ(now.in_use, 50u);
  EXPECT_EQ(now.cached, 50u);
  EXPECT_EQ(now.high_water, 100u);
}

TEST(stack_pool, says_when_its_limit_is_reached_and_goes_on_after_a_release) {
  stack_pool pool(stack_pool_options{.max_stacks = 3});
  std::vector<std::byte*> slots(5);
  std::size_t made = 0;
  EXPECT_FALSE(pool.allocate(stack_class::large, slots, made)) << "some is not an error";
  ASSERT_EQ(made, 3u);
  stack s;
  const auto error = pool.allocate(stack_class::large, s);
  EXPECT_EQ(error, stack_errc::pool_limit);
  EXPECT_EQ(error, std::errc::not_enough_memory);
  EXPECT_FALSE(s);
  EXPECT_EQ(pool.allocate(stack_class::small, s), std::errc::not_enough_memory) << "the limit is one for all classes";
  pool.release({slots[1], stack_class::large});
  ASSERT_FALSE(pool.allocate(stack_class::large, s));
  EXPECT_EQ(s.slot, slots[1]);
}

TEST(stack_pool, errors_name_the_limit_that_was_hit) {
  const auto says = [](stack_errc code, const char* text) {
    const std::error_code error = code;
    return error == std::errc::not_enough_memory && error.message().find(text) != std::string::npos;
  };
  EXPECT_TRUE(says(stack_errc::map_limit, "vm.max_map_count"));
  EXPECT_TRUE(says(stack_errc::commit_limit, "vm.overcommit_memory=2"));
  EXPECT_TRUE(says(stack_errc::address_space, "ulimit -v"));
  EXPECT_TRUE(says(stack_errc::no_memory, "out of memory"));
  EXPECT_TRUE(says(stack_errc::pool_limit, "this runtime"));
  EXPECT_STREQ(stack_category().name(), "sennit.stack");
}

TEST(stack_pool, leaves_shallow_stacks_alone_within_the_budget) {
  constexpr std::size_t count = 200;
  stack_pool pool(stack_pool_options{.resident_budget = count * 64 * 1024});
  const auto slots = allocate(pool, stack_class::normal, count);
  for (std::byte* const slot : slots) use(slot, stack_class::normal, 1);
  pool.release(stack_class::normal, slots);  // 37 MiB if all were used fully: looks, and finds a page each
  const auto now = pool.stats();
  EXPECT_EQ(now.trims, 0u);
  EXPECT_EQ(now.cached, count);
  EXPECT_LE(now.cached_bytes, count * 64 * 1024);
  for (std::byte* const slot : slots) EXPECT_GT(resident_bytes({slot, stack_class::normal}), 0u);
}

TEST(stack_pool, gives_the_memory_of_deep_stacks_above_the_budget_back) {
  constexpr std::size_t count = 300, budget = 4 << 20;
  stack_pool pool(stack_pool_options{.resident_budget = budget});
  for (int round = 0; round < 2; ++round) {
    const auto slots = allocate(pool, stack_class::normal, count);
    for (std::byte* const slot : slots) use(slot, stack_class::normal, 128 * 1024);
    pool.release(stack_class::normal, slots);
    std::size_t held = 0;
    for (std::byte* const slot : slots) held += resident_bytes({slot, stack_class::normal});
    EXPECT_LE(held, budget);
    EXPECT_GE(held, budget / 2) << "the budget is there to be used";
    const auto now = pool.stats();
    EXPECT_EQ(now.cached, count);
    EXPECT_EQ(now.cached_bytes, held);
    EXPECT_EQ(now.in_use, 0u);
  }
}

// Only a sample is looked at: what all hold together is about right nevertheless, also if every eighth is a deep one.
TEST(stack_pool, estimates_what_stacks_of_different_depth_hold) {
  constexpr std::size_t count = 2000, budget = 32 << 20;
  stack_pool pool(stack_pool_options{.resident_budget = budget});
  const auto slots = allocate(pool, stack_class::normal, count);
  for (std::size_t i = 0; i < count; ++i) use(slots[i], stack_class::normal, i % 8 == 0 ? 160 * 1024 : 1);
  pool.release(stack_class::normal, slots);
  std::size_t held = 0;
  for (std::byte* const slot : slots) held += resident_bytes({slot, stack_class::normal});
  EXPECT_GT(pool.stats().trims, 0u) << "all of them hold 49 MiB";
  EXPECT_LE(held, budget * 4 / 3);
  EXPECT_GE(held, budget * 2 / 3);
  EXPECT_LE(pool.stats().cached_bytes, budget);
}

TEST(stack_pool, a_lazy_one_gives_back_what_nobody_has_taken_in_between) {
  constexpr std::size_t count = 3000, again = 1000, budget = 1 << 20;
  stack_pool pool(stack_pool_options{.resident_budget = budget, .lazy = true});
  const auto held = [](std::span<std::byte* const> of) {
    std::size_t bytes = 0;
    for (std::byte* const slot : of) bytes += resident_bytes({slot, stack_class::normal});
    return bytes;
  };
  const auto give_back = [&] {
    while (pool.give_back()) {}
    return pool.stats().trims;
  };
  const auto slots = allocate(pool, stack_class::normal, count);
  for (std::byte* const slot : slots) use(slot, stack_class::normal, 1);
  pool.release(stack_class::normal, slots);
  EXPECT_TRUE(pool.above_budget());
  EXPECT_EQ(give_back(), 0u) << "they have only just come";
  const auto warm = allocate(pool, stack_class::normal, again);
  EXPECT_GT(held(warm), 0u);
  pool.release(stack_class::normal, warm);
  EXPECT_EQ(give_back(), count - again);
  EXPECT_EQ(held(slots), held(warm));
  EXPECT_GT(held(warm), budget);
  EXPECT_GT(give_back(), count - again);
  EXPECT_LE(held(slots), budget);
  EXPECT_GE(held(slots), budget / 2) << "the budget is there to be used";
  EXPECT_FALSE(pool.above_budget());
  EXPECT_EQ(pool.stats().cached, count);
  const auto all = allocate(pool, stack_class::normal, count);
  EXPECT_EQ(std::set<std::byte*>(all.begin(), all.end()), std::set<std::byte*>(slots.begin(), slots.end()));
}

TEST(stack_pool, one_budget_is_shared_by_all_classes) {
  constexpr std::size_t budget = 16 << 20;
  stack_pool pool(stack_pool_options{.resident_budget = budget});
  const auto huge = allocate(pool, stack_class::huge, 2);
  for (std::byte* const slot : huge) use(slot, stack_class::huge, 7 << 20);
  pool.release(stack_class::huge, huge);
  const auto small = allocate(pool, stack_class::small, 200);
  for (std::byte* const slot : small) use(slot, stack_class::small, 32 * 1024);
  pool.release(stack_class::small, small);
  EXPECT_LE(pool.stats().cached_bytes, budget);
  std::size_t held = 0;
  for (std::byte* const slot : huge) held += resident_bytes({slot, stack_class::huge});
  for (std::byte* const slot : small) held += resident_bytes({slot, stack_class::small});
  EXPECT_LE(held, budget);
  EXPECT_GE(held, std::size_t{14} << 20) << "who came first within the budget stays";
}

TEST(stack_pool, threads_never_share_a_stack) {
  const auto seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  stack_pool pool(stack_pool_options{.resident_budget = 1 << 20});
  constexpr unsigned threads = 4;
  std::vector<std::size_t> clashes(threads);
  std::vector<std::thread> running;
  for (unsigned id = 1; id <= threads; ++id) {
    running.emplace_back([&, id] {
      std::mt19937 random(seed + id);
      std::vector<std::byte*> mine;
      for (std::size_t round = test::scaled(20000); round > 0; --round) {
        const auto cls = stack_class::small;
        std::array<std::byte*, 40> fresh;
        std::size_t made = 0;
        if (pool.allocate(cls, std::span(fresh).first(1 + random() % fresh.size()), made)) ++clashes[id - 1];
        for (std::byte* const slot : std::span(fresh).first(made)) {
          stack{slot, cls}.top()[-1] = static_cast<std::byte>(id);
          mine.push_back(slot);
        }
        const std::size_t keep = random() % (mine.size() + 1);
        for (std::size_t i = keep; i < mine.size(); ++i) {
          if (stack{mine[i], cls}.top()[-1] != static_cast<std::byte>(id)) ++clashes[id - 1];
        }
        pool.release(cls, std::span(mine).subspan(keep));
        mine.resize(keep);
      }
      pool.release(stack_class::small, mine);
    });
  }
  for (auto& t : running) t.join();
  for (const auto n : clashes) EXPECT_EQ(n, 0u);
  const auto now = pool.stats();
  EXPECT_EQ(now.in_use, 0u);
  EXPECT_GE(now.cached, now.high_water) << "each stack that was ever in use is back";
  EXPECT_LE(now.cached_bytes, std::size_t{1} << 20);
  const auto all = allocate(pool, stack_class::small, now.cached);
  EXPECT_EQ(std::set<std::byte*>(all.begin(), all.end()).size(), all.size()) << "and is there once";
  EXPECT_EQ(pool.stats().cached, 0u);
}

}  // namespace
}  // namespace sennit::detail

#include "queue/run_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "support/runtimes.hpp"

namespace sennit::detail {

/// Sets the indices of an empty queue: 2^32 pushes are too many to run.
struct run_queue_tester {
  template <class Queue>
  static void start_at(Queue& q, std::uint32_t index) {
    q.head_.store(index, relaxed);
    q.tail_.store(index, relaxed);
  }
};

namespace {

template <class Capacity>
class run_queue_test : public ::testing::Test {};
template <std::size_t N>
using size = std::integral_constant<std::size_t, N>;
using sizes = ::testing::Types<size<2>, size<4>, size<256>>;
TYPED_TEST_SUITE(run_queue_test, sizes);

// From 0, and so that the 32-bit indices wrap in the middle.
constexpr std::uint32_t starts[] = {0, 0xffffffffU, 0xfffffffeU, 0xffffff80U};

TYPED_TEST(run_queue_test, is_first_in_first_out_and_refuses_when_full) {
  constexpr std::size_t capacity = TypeParam::value;
  for (const std::uint32_t start : starts) {
    std::vector<fiber_block> blocks(capacity + 1);
    run_queue<capacity, capacity> q;
    run_queue_tester::start_at(q, start);
    EXPECT_EQ(q.pop(), nullptr);
    for (std::size_t round = 0; round < 3; ++round) {
      for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(q.push(&blocks[i]));
      EXPECT_FALSE(q.push(&blocks[capacity]));
      EXPECT_EQ(q.size(), capacity);
      for (std::size_t i = 0; i < capacity; ++i) ASSERT_EQ(q.pop(), &blocks[i]);
      EXPECT_EQ(q.pop(), nullptr);
      EXPECT_TRUE(q.empty());
    }
  }
}

TYPED_TEST(run_queue_test, a_thief_takes_the_older_half_rounded_up) {
  constexpr std::size_t capacity = TypeParam::value;
  for (const std::uint32_t start : starts) {
    std::vector<fiber_block> blocks(capacity);
    run_queue<capacity, capacity> q, thief;
    run_queue_tester::start_at(q, start);
    run_queue_tester::start_at(thief, start + 1);
    EXPECT_EQ(q.steal_into(thief), 0u);
    for (auto& b : blocks) ASSERT_TRUE(q.push(&b));
    ASSERT_EQ(q.steal_into(thief), capacity / 2);
    EXPECT_EQ(q.size(), capacity - capacity / 2);
    for (std::size_t i = 0; i < capacity / 2; ++i) ASSERT_EQ(thief.pop(), &blocks[i]);
    for (std::size_t i = capacity / 2; i < capacity; ++i) ASSERT_EQ(q.pop(), &blocks[i]);
    ASSERT_TRUE(q.push(&blocks[0]));
    EXPECT_EQ(q.steal_into(thief), 1u) << "the last one too";
    EXPECT_EQ(thief.pop(), &blocks[0]);
  }
}

TYPED_TEST(run_queue_test, a_full_thief_takes_nothing) {
  constexpr std::size_t capacity = TypeParam::value;
  std::vector<fiber_block> blocks(2 * capacity);
  run_queue<capacity, capacity> q, thief;
  for (std::size_t i = 0; i < capacity; ++i) {
    ASSERT_TRUE(q.push(&blocks[i]));
    ASSERT_TRUE(thief.push(&blocks[capacity + i]));
  }
  EXPECT_EQ(q.steal_into(thief), 0u);
  EXPECT_EQ(thief.pop(), &blocks[capacity]);
  EXPECT_EQ(q.steal_into(thief), 1u) << "as much as there is room for";
  EXPECT_EQ(q.pop(), &blocks[1]);
}

TEST(growing_run_queue_test, keeps_the_order_over_all_its_sizes) {
  for (const std::uint32_t start : starts) {
    std::vector<fiber_block> blocks(64);
    run_queue<2, 64> q, thief;
    run_queue_tester::start_at(q, start);
    std::size_t in = 0, out = 0;
    for (std::size_t fill = 1; fill <= 64; ++fill) {
      while (in - out < fill) ASSERT_TRUE(q.push(&blocks[in++ % 64]));
      ASSERT_EQ(q.pop(), &blocks[out++ % 64]);
    }
    while (in - out < 64) ASSERT_TRUE(q.push(&blocks[in++ % 64]));
    EXPECT_FALSE(q.push(&blocks[0])) << "at its largest";
    EXPECT_EQ(q.steal_into(thief), 1u) << "half of the first ring at most";
    EXPECT_EQ(thief.pop(), &blocks[out++ % 64]);
    while (out < in) ASSERT_EQ(q.pop(), &blocks[out++ % 64]);
    EXPECT_EQ(q.pop(), nullptr);
  }
}

// An owner that pushes and pops, thieves that steal into queues of their own: each fiber comes out exactly once per
// push. Small capacities make the ring go round under the thieves' eyes.
template <std::size_t First, std::size_t Most>
void steal_storm() {
  constexpr std::size_t thieves = 2;
  const std::uint64_t pushes = test::scaled(5'000'000);
  const std::uint64_t seed = test::seed();

  std::vector<fiber_block> blocks(3 * Most);
  // Who holds a block outside of all queues: a block that comes out while it is out was doubled.
  std::vector<std::atomic<bool>> queued(blocks.size());
  std::vector<std::atomic<fiber_block*>> free_slots(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) free_slots[i] = &blocks[i];
  std::atomic<std::uint64_t> out{0};
  std::atomic<bool> stop{false}, doubled{false};
  const auto came_out = [&](fiber_block* f) {
    const auto i = static_cast<std::size_t>(f - blocks.data());
    if (!queued[i].exchange(false)) doubled = true;
    out.fetch_add(1);
    free_slots[i].store(f);
  };

  run_queue<First, Most> q;
  run_queue_tester::start_at(q, 0xffffffffU - static_cast<std::uint32_t>(pushes / 2));  // wraps on the way
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < thieves; ++t) {
    threads.emplace_back([&, t] {
      random_source random(seed + t + 1);
      run_queue<First, Most> mine;
      while (!stop.load()) {
        q.steal_into(mine);
        while (fiber_block* f = mine.pop()) came_out(f);
        if (random.below(16) == 0) std::this_thread::yield();
      }
    });
  }
  random_source random(seed);
  std::uint64_t in = 0;
  while (in < pushes && !doubled.load()) {
    if (random.below(3) != 0) {
      const auto i = random.below(static_cast<std::uint32_t>(blocks.size()));
      fiber_block* f = free_slots[i].exchange(nullptr);
      if (f == nullptr) continue;
      queued[i] = true;
      if (q.push(f)) {
        ++in;
      } else {
        queued[i] = false;
        free_slots[i].store(f);
        if (random.below(8) == 0) std::this_thread::yield();
      }
    } else if (fiber_block* f = q.pop()) {
      came_out(f);
    }
  }
  while (fiber_block* f = q.pop()) came_out(f);
  stop = true;
  for (auto& t : threads) t.join();
  EXPECT_FALSE(doubled);
  EXPECT_EQ(out.load(), in);
}

TYPED_TEST(run_queue_test, no_fiber_is_lost_or_doubled_by_thieves) {
  steal_storm<TypeParam::value, TypeParam::value>();
}

// Nothing but the queue connects the two threads: TSan sees whether that is enough.
TEST(run_queue_order, a_thief_sees_what_was_written_before_the_push) {
  std::vector<fiber_block> blocks(1024);
  run_queue<4, 1024> q;
  std::thread thief([&] {
    run_queue<4, 1024> mine;
    for (std::size_t got = 0; got < blocks.size();) {
      if (q.steal_into(mine) == 0) std::this_thread::yield();
      while (const fiber_block* f = mine.pop()) {
        const std::uint64_t number = ++got;
        if (f->id != number) ADD_FAILURE() << f->id << " instead of " << number;
      }
    }
  });
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].id = i + 1;
    EXPECT_TRUE(q.push(&blocks[i]));
  }
  thief.join();
}

TEST(growing_run_queue_test, no_fiber_is_lost_or_doubled_while_it_grows) {
  for (int i = 0; i < 5; ++i) steal_storm<2, 1024>();
}

}  // namespace
}  // namespace sennit::detail

#include "queue/inject_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "support/scale.hpp"

namespace sennit::detail {
namespace {

TEST(fiber_chain_test, appends_in_order_and_empties_the_other) {
  std::array<fiber_block, 4> blocks;
  fiber_chain a, b;
  a.push_back(&blocks[0]);
  b.push_back(&blocks[1]);
  b.push_back(&blocks[2]);
  a.append(b);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.count, 0u);
  a.append(b);
  a.push_back(&blocks[3]);
  EXPECT_EQ(a.count, 4u);
  for (auto& block : blocks) EXPECT_EQ(a.pop_front(), &block);
  EXPECT_EQ(a.pop_front(), nullptr);
  EXPECT_EQ(a.tail, nullptr);
  fiber_chain c;
  c.push_back(&blocks[0]);
  a.append(c);
  EXPECT_EQ(a.head, &blocks[0]);
}

TEST(inject_queue_test, is_first_in_first_out_and_pops_at_most) {
  std::array<fiber_block, 5> blocks;
  inject_queue q;
  EXPECT_TRUE(q.empty());
  for (auto& b : blocks) q.push(&b);
  EXPECT_EQ(q.size(), 5u);
  fiber_chain first = q.pop(2);
  EXPECT_EQ(first.count, 2u);
  EXPECT_EQ(first.pop_front(), &blocks[0]);
  EXPECT_EQ(first.pop_front(), &blocks[1]);
  fiber_chain rest = q.pop(100);
  EXPECT_EQ(rest.count, 3u);
  EXPECT_EQ(rest.head, &blocks[2]);
  EXPECT_TRUE(q.empty());
  EXPECT_TRUE(q.pop(1).empty());
  q.push(fiber_chain{});
  EXPECT_TRUE(q.empty());
}

TEST(inject_queue_test, loses_nothing_between_threads) {
  const std::size_t each = test::scaled(400'000);
  constexpr std::size_t producers = 3;
  std::vector<fiber_block> blocks(producers * each > 40000 ? 40000 : producers * each);
  const std::size_t per = blocks.size() / producers;
  inject_queue q;
  std::atomic<std::size_t> turn{0};
  std::vector<std::thread> threads;
  for (std::size_t p = 0; p < producers; ++p) {
    threads.emplace_back([&, p] {
      for (std::size_t i = 0; i < per;) {
        fiber_chain chain;
        for (std::size_t n = 1 + i % 3; n > 0 && i < per; --n, ++i) {
          blocks[p * per + i].id = i;
          chain.push_back(&blocks[p * per + i]);
        }
        q.push(std::move(chain));
      }
    });
  }
  std::array<std::size_t, producers> next{};
  std::size_t got = 0;
  while (got < producers * per) {
    fiber_chain out = q.pop(1 + turn.fetch_add(1) % 7);
    while (fiber_block* f = out.pop_front()) {
      const auto p = static_cast<std::size_t>(f - blocks.data()) / per;
      ASSERT_EQ(f->id, next[p]++) << "one producer's order is kept";
      ++got;
    }
  }
  for (auto& t : threads) t.join();
  EXPECT_TRUE(q.empty());
}

}  // namespace
}  // namespace sennit::detail

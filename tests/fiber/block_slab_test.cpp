#include "fiber/block_slab.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "support/scale.hpp"

namespace sennit::detail {
namespace {

std::size_t count_live(block_slab& slab) {
  std::size_t n = 0;
  slab.for_each([&](fiber_block&) { ++n; });
  return n;
}

fiber_block* take(block_slab& slab, block_cache* cache = nullptr) {
  fiber_block* b = slab.allocate(cache);
  if (b != nullptr) b->refs.store(1, release);
  return b;
}

void give(block_slab& slab, fiber_block* b, block_cache* cache = nullptr) {
  b->refs.store(0, release);
  slab.release(b, cache);
}

TEST(block_slab_test, blocks_are_distinct_and_know_their_slab) {
  block_slab* slab = block_slab::make();
  std::set<fiber_block*> seen;
  for (int i = 0; i < 1000; ++i) {
    fiber_block* b = take(*slab);
    ASSERT_NE(b, nullptr);
    ASSERT_TRUE(seen.insert(b).second);
    ASSERT_EQ(&block_slab::of(*b), slab);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(b) % 64, 0u);
  }
  EXPECT_EQ(count_live(*slab), 1000u);
  for (fiber_block* b : seen) give(*slab, b);
  EXPECT_EQ(count_live(*slab), 0u);
  slab->close();
}

TEST(block_slab_test, it_is_looked_through_chunk_by_chunk_and_knows_its_blocks) {
  block_slab* slab = block_slab::make();
  block_slab* other = block_slab::make();
  fiber_block* const of_other = take(*other);
  std::set<fiber_block*> taken;
  while (taken.size() < 50 * block_slab::blocks_per_chunk) taken.insert(take(*slab));  // of two regions
  std::set<fiber_block*> seen;
  std::size_t chunk = 0;
  while (slab->for_each_in_chunk(chunk, [&](fiber_block& b) { EXPECT_TRUE(seen.insert(&b).second); })) {
    ++chunk;
    EXPECT_LE(seen.size(), chunk * block_slab::blocks_per_chunk);
  }
  EXPECT_EQ(seen, taken);
  for (fiber_block* b : taken) EXPECT_TRUE(slab->contains(b));
  EXPECT_FALSE(slab->contains(of_other));
  fiber_block on_stack;
  EXPECT_FALSE(slab->contains(&on_stack));
  EXPECT_FALSE(slab->contains(nullptr));
  give(*other, of_other);
  for (fiber_block* b : taken) give(*slab, b);
  slab->close();
  other->close();
}

TEST(block_slab_test, a_recycled_block_has_a_new_epoch) {
  block_slab* slab = block_slab::make();
  fiber_block* b = take(*slab);
  const auto epoch = b->state.epoch();
  b->state.set_done();
  give(*slab, b);
  fiber_block* again = take(*slab);
  ASSERT_EQ(again, b) << "last in, first out";
  EXPECT_NE(again->state.epoch(), epoch);
  EXPECT_FALSE(again->state.is_done());
  give(*slab, again);
  slab->close();
}

TEST(block_slab_test, a_cache_gives_back_half_when_it_is_full) {
  block_slab* slab = block_slab::make();
  block_cache mine;
  std::vector<fiber_block*> blocks;
  for (int i = 0; i < 500; ++i) blocks.push_back(take(*slab, &mine));
  for (fiber_block* b : blocks) give(*slab, b, &mine);
  EXPECT_LE(mine.count, 64u);
  EXPECT_GT(mine.count, 0u);
  const std::set<fiber_block*> kept(mine.blocks.begin(), mine.blocks.begin() + mine.count);
  EXPECT_EQ(kept.size(), mine.count);
  EXPECT_TRUE(kept.contains(blocks.back())) << "what was given back last is warm";
  slab->flush(mine);
  EXPECT_EQ(mine.count, 0u);
  slab->close();
}

TEST(block_slab_test, close_waits_for_the_last_handle) {
  block_slab* slab = block_slab::make();
  auto alive = std::make_shared<int>(1);
  fiber_block* b = take(*slab);
  b->give_work(task([alive] {}));
  slab->close();
  EXPECT_EQ(alive.use_count(), 2) << "the block must still be there";
  give(*slab, b);  // ASan: the slab goes here, and not before
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(block_slab_test, is_shared_by_threads_with_and_without_caches) {
  const std::size_t rounds = test::scaled(200'000);
  block_slab* slab = block_slab::make();
  std::atomic<bool> wrong{false};
  std::vector<std::thread> threads;
  std::mutex lock;
  std::vector<fiber_block*> handed;  // some blocks end on another thread than they began on
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      block_cache mine;
      block_cache* cache = t % 2 == 0 ? &mine : nullptr;
      std::vector<fiber_block*> held;
      for (std::size_t i = 0; i < rounds; ++i) {
        fiber_block* b = take(*slab, cache);
        if (std::exchange(b->id, std::uint64_t(t) + 1) != 0) wrong = true;  // somebody else has it too
        held.push_back(b);
        if (held.size() < 100) continue;
        for (std::size_t k = 0; k < held.size(); ++k) {
          if (k % 10 == 0) {
            const std::lock_guard guard(lock);
            std::swap(held[k], handed.empty() ? handed.emplace_back(nullptr) : handed.back());
            if (held[k] == nullptr) continue;
          }
          held[k]->id = 0;
          give(*slab, held[k], cache);
        }
        held.clear();
      }
      for (fiber_block* b : held) {
        b->id = 0;
        give(*slab, b, cache);
      }
      slab->flush(mine);
    });
  }
  for (auto& t : threads) t.join();
  for (fiber_block* b : handed) {
    if (b != nullptr) give(*slab, b);
  }
  EXPECT_FALSE(wrong);
  EXPECT_EQ(count_live(*slab), 0u);
  slab->close();
}

}  // namespace
}  // namespace sennit::detail

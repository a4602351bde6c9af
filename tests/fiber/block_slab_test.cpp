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
  block_slab* slab = block_slab::make(1);
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
  block_slab* slab = block_slab::make(1);
  block_slab* other = block_slab::make(1);
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
  block_slab* slab = block_slab::make(1);
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
  block_slab* slab = block_slab::make(1);
  block_cache mine(0);
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

TEST(block_slab_test, blocks_go_back_to_the_worker_that_had_them) {
  block_slab* slab = block_slab::make(2);
  block_cache first(0);
  block_cache second(1);
  const auto take_many = [&](block_cache& cache) {
    std::set<fiber_block*> taken;
    while (taken.size() < 5 * block_slab::blocks_per_chunk) taken.insert(take(*slab, &cache));
    return taken;
  };
  const auto give_all = [&](const std::set<fiber_block*>& blocks, block_cache& cache) {
    for (fiber_block* b : blocks) give(*slab, b, &cache);
    slab->flush(cache);
  };
  const auto of_first = take_many(first);
  const auto of_second = take_many(second);
  give_all(of_second, first);  // wherever they end
  give_all(of_first, second);
  EXPECT_EQ(take_many(second), of_second);
  give_all(of_second, second);
  slab->close();
}

TEST(block_slab_test, a_worker_takes_what_others_do_not_need_before_there_are_more) {
  block_slab* slab = block_slab::make(2);
  block_cache first(0);
  block_cache second(1);
  std::set<fiber_block*> taken;
  while (taken.size() < 1000) taken.insert(take(*slab, &first));
  fiber_block* const kept = *taken.begin();
  for (fiber_block* b : taken) {
    if (b != kept) give(*slab, b, &first);
  }
  slab->flush(first);
  std::set<fiber_block*> again;
  while (again.size() < 999) again.insert(take(*slab, &second));
  again.insert(kept);
  EXPECT_EQ(again, taken);
  for (fiber_block* b : again) give(*slab, b);
  slab->flush(second);
  slab->close();
}

/// One worker's fibers end while another one spawns and finds nothing free but among those.
TEST(block_slab_test, chunks_change_hands_while_their_blocks_come_back) {
  for (std::size_t round = 0; round < test::scaled(2000); ++round) {
    block_slab* slab = block_slab::make(2);
    block_cache first(0);
    std::vector<fiber_block*> blocks;
    while (blocks.size() < 2 * block_slab::blocks_per_chunk) blocks.push_back(take(*slab, &first));
    std::atomic<bool> ending{false};
    std::thread spawner([&] {
      block_cache second(1);
      while (!ending) {}
      std::set<fiber_block*> taken;
      while (taken.size() < block_slab::blocks_per_chunk) ASSERT_TRUE(taken.insert(take(*slab, &second)).second);
      for (fiber_block* b : taken) give(*slab, b, &second);
      slab->flush(second);
    });
    ending = true;
    for (fiber_block* b : blocks) give(*slab, b);
    spawner.join();
    EXPECT_EQ(count_live(*slab), 0u);
    slab->flush(first);
    slab->close();
  }
}

TEST(block_slab_test, close_waits_for_the_last_handle) {
  block_slab* slab = block_slab::make(1);
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
  block_slab* slab = block_slab::make(2);
  std::atomic<bool> wrong{false};
  std::vector<std::thread> threads;
  std::mutex lock;
  std::vector<fiber_block*> handed;  // some blocks end on another thread than they began on
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      block_cache mine(static_cast<unsigned>(t) / 2);
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

#include "fiber/block_slab.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "base/atomic.hpp"
#include "stack/guard.hpp"

namespace sennit::inline v0::detail {

block_slab& block_slab::of(fiber_block& block) noexcept { return *chunk::of(block).owner; }

block_slab::~block_slab() {
  for (chunk* c : chunks_) {
    for (std::size_t i = 0; i < blocks_per_chunk; ++i) std::destroy_at(&c->block(i));
  }
  for (std::byte* r : regions_) std::free(r);
}

bool block_slab::contains(const waiter* at) noexcept {
  const auto* const address = reinterpret_cast<const std::byte*>(at);
  const spin_guard guard(lock_);
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    if (std::less_equal<>()(regions_[i], address) && std::less<>()(address, regions_[i] + region_bytes(i))) return true;
  }
  return false;
}

/// Many thousands of fibers are cheaper in huge pages: a fault for each 4 KiB of control blocks costs more than to
/// spawn.
bool block_slab::map_region() noexcept {
  const std::size_t bytes = region_bytes(regions_.size());
  auto* const made = static_cast<std::byte*>(std::aligned_alloc(huge_page, bytes));
  if (made == nullptr) return false;
  try {
    chunks_.reserve((regions_.size() * region_bytes(1) + huge_page) / chunk_bytes);  // of all regions, this one too
    regions_.push_back(made);
  } catch (const std::bad_alloc&) {
    std::free(made);
    return false;
  }
  if (regions_.size() > 1) accept_huge_pages(made, bytes);
  fresh_ = {made, bytes};
  return true;
}

/// The lock is not held while the blocks are made, which may have to wait for the kernel to clear a huge page.
block_slab::chunk* block_slab::make_chunk(shard& home) noexcept {
  std::byte* memory = nullptr;
  {
    const spin_guard guard(lock_);
    if (fresh_.empty() && !map_region()) return nullptr;
    memory = fresh_.data();
    fresh_ = fresh_.subspan(chunk_bytes);
  }
  auto* const made = ::new (memory) chunk{this, atomic<shard*>(&home)};
  made->free_count = blocks_per_chunk;
  for (std::size_t i = 0; i < blocks_per_chunk; ++i) {
    ::new (&made->block(i)) fiber_block;
    made->free[i / 64] |= std::uint64_t{1} << i % 64;
  }
  const spin_guard guard(lock_);
  chunks_.push_back(made);
  return made;
}

/// Of a worker that has spawned many and does not need its chunks now. In no list: what comes back meanwhile stays in
/// it.
block_slab::chunk* block_slab::take_chunk_of_others(shard& home) noexcept {
  for (shard& other : shards_) {
    if (&other == &home || other.free.load(relaxed) == nullptr) continue;  // mm:slab-free: a hint
    const spin_guard guard(other.lock);
    chunk* const c = other.free.load(relaxed);  // mm:slab-free
    if (c == nullptr) continue;
    other.free.store(c->next_free, relaxed);  // mm:slab-free
    c->home.store(&home, order::release);     // mm:slab-home
    return c;
  }
  return nullptr;
}

void block_slab::shard::add(chunk& c) noexcept {
  c.next_free = free.load(relaxed);  // mm:slab-free
  free.store(&c, relaxed);           // mm:slab-free
}

fiber_block* block_slab::shard::pop() noexcept {
  chunk& c = *free.load(relaxed);  // mm:slab-free
  const auto word = std::ranges::find_if(c.free, [](std::uint64_t w) { return w != 0; });
  const auto bit = static_cast<std::size_t>(std::countr_zero(*word));
  *word &= *word - 1;
  fiber_block& b = c.block(static_cast<std::size_t>(word - c.free.begin()) * 64 + bit);
  if (--c.free_count == 0) free.store(c.next_free, relaxed);  // mm:slab-free
  return &b;
}

void block_slab::shard::push(fiber_block& block) noexcept {
  chunk& c = chunk::of(block);
  if (c.free_count++ == 0) add(c);
  const auto i = static_cast<std::size_t>(&block - &c.block(0));
  c.free[i / 64] |= std::uint64_t{1} << i % 64;
}

/// How many; none only without memory.
std::uint32_t block_slab::pop(shard& from, std::span<fiber_block*> out) noexcept {
  chunk* more = nullptr;
  do {
    const spin_guard guard(from.lock);
    if (more != nullptr) from.add(*more);
    std::uint32_t count = 0;
    while (count < out.size() && from.free.load(relaxed) != nullptr) out[count++] = from.pop();  // mm:slab-free
    if (count == 0) continue;
    outside_.fetch_add(count, relaxed);  // mm:slab-outside: the runtime is there
    return count;
  } while ((more = take_chunk_of_others(from)) != nullptr || (more = make_chunk(from)) != nullptr);
  return 0;
}

/// The first ones, which belong to one shard; how many. None: their chunk has just moved to another one.
std::size_t block_slab::push(std::span<fiber_block* const> blocks) noexcept {
  const auto home_of = [](fiber_block* b) { return chunk::of(*b).home.load(acquire); };  // mm:slab-home
  shard* const home = home_of(blocks.front());
  const spin_guard guard(home->lock);
  std::size_t count = 0;
  for (; count < blocks.size() && home_of(blocks[count]) == home; ++count) home->push(*blocks[count]);
  return count;
}

fiber_block* block_slab::take_one() noexcept {
  fiber_block* one = nullptr;
  pop(shards_.front(), {&one, 1});
  return one;
}

bool block_slab::refill(block_cache& cache) noexcept {
  cache.count = pop(shards_[cache.shard], std::span(cache.blocks).first(batch));
  std::reverse(cache.blocks.begin(), cache.blocks.begin() + cache.count);  // they come as pop() gave them
  return cache.count > 0;
}

fiber_block* block_slab::allocate(block_cache* cache) noexcept {
  fiber_block* b = nullptr;
  if (cache == nullptr) {
    b = take_one();
    if (b == nullptr) return nullptr;
  } else {
    if (cache->count == 0 && !refill(*cache)) [[unlikely]]
      return nullptr;
    b = cache->blocks[--cache->count];
    // Where many are spawned, no cache holds what comes after these.
    if (cache->count >= fetched_ahead) cache->blocks[cache->count - fetched_ahead]->fetch<0, 4>();
  }
  b->state.restart();
  b->next = nullptr;
  return b;
}

void block_slab::release(fiber_block* block, block_cache* cache) noexcept {
  if (cache != nullptr) {
    if (cache->count == cache->blocks.size()) [[unlikely]]
      spill(*cache, batch);
    cache->blocks[cache->count++] = block;
  } else {
    give_one(*block);
  }
}

void block_slab::give_one(fiber_block& block) noexcept {
  fiber_block* const one = &block;
  while (push({&one, 1}) == 0) cpu_pause();
  let_go(1);
}

/// The oldest go: what ended last is warm.
void block_slab::spill(block_cache& cache, std::uint32_t count) noexcept {
  const auto from = cache.blocks.begin();
  for (std::span<fiber_block* const> left(from, count); !left.empty();) left = left.subspan(push(left));
  std::copy(from + count, from + cache.count, from);
  cache.count -= count;
  outside_.fetch_sub(count, relaxed);  // mm:slab-outside: the runtime is there
}

void block_slab::let_go(std::size_t count) noexcept {
  if (outside_.fetch_sub(count, acq_rel) == count) delete this;  // mm:slab-outside
}

}  // namespace sennit::inline v0::detail

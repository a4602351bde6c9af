#include "fiber/block_slab.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "base/check.hpp"
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
    chunks_.reserve(chunks_.size() + bytes / chunk_bytes);
    regions_.push_back(made);
  } catch (const std::bad_alloc&) {
    std::free(made);
    return false;
  }
  if (regions_.size() > 1) accept_huge_pages(made, bytes);
  fresh_ = {made, bytes};
  return true;
}

bool block_slab::grow() noexcept {
  if (fresh_.empty() && !map_region()) return false;
  auto* const made = ::new (fresh_.data()) chunk{this};
  fresh_ = fresh_.subspan(chunk_bytes);
  chunks_.push_back(made);
  for (std::size_t i = blocks_per_chunk; i-- > 0;) push(*::new (&made->block(i)) fiber_block);
  return true;
}

fiber_block* block_slab::pop() noexcept {
  chunk& c = *free_;
  fiber_block& b = c.block(c.free[--c.free_count]);
  if (c.free_count == 0) free_ = c.next_free;
  --free_count_;
  return &b;
}

void block_slab::push(fiber_block& block) noexcept {
  chunk& c = chunk::of(block);
  if (c.free_count == 0) c.next_free = std::exchange(free_, &c);
  c.free[c.free_count++] = static_cast<std::uint8_t>(&block - &c.block(0));
  ++free_count_;
}

fiber_block* block_slab::take() noexcept {
  const spin_guard guard(lock_);
  return free_ != nullptr || grow() ? pop() : nullptr;
}

bool block_slab::refill(block_cache& cache) noexcept {
  const spin_guard guard(lock_);
  if (free_ == nullptr && !grow()) return false;
  while (cache.count < batch && free_ != nullptr) cache.blocks[cache.count++] = pop();
  std::reverse(cache.blocks.begin(), cache.blocks.begin() + cache.count);  // they come as pop() gave them
  return true;
}

fiber_block* block_slab::allocate(block_cache* cache) noexcept {
  fiber_block* b = nullptr;
  if (cache == nullptr) {
    b = take();
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
    return;
  }
  bool last = false;
  {
    const spin_guard guard(lock_);
    push(*block);
    last = all_free();
  }
  if (last) delete this;
}

/// The oldest go: what ended last is warm.
void block_slab::spill(block_cache& cache, std::uint32_t count) noexcept {
  const spin_guard guard(lock_);
  const auto from = cache.blocks.begin();
  for (std::uint32_t i = 0; i < count; ++i) push(*cache.blocks[i]);
  std::copy(from + count, from + cache.count, from);
  cache.count -= count;
}

void block_slab::close() noexcept {
  bool last = false;
  {
    const spin_guard guard(lock_);
    closed_ = true;
    last = all_free();
  }
  if (last) delete this;
}

}  // namespace sennit::inline v0::detail

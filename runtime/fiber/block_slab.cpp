#include "fiber/block_slab.hpp"

#include <cstdlib>
#include <functional>
#include <memory>
#include <new>

#include "base/check.hpp"
#include "stack/guard.hpp"

namespace sennit::inline v0::detail {

block_slab& block_slab::of(fiber_block& block) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(&block) & ~(chunk_bytes - 1);
  return *reinterpret_cast<chunk*>(at)->owner;
}

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
  for (std::size_t i = blocks_per_chunk; i-- > 0;) push(::new (&made->block(i)) fiber_block);
  return true;
}

fiber_block* block_slab::pop() noexcept {
  fiber_block* b = free_;
  free_ = b->next;
  --free_count_;
  return b;
}

void block_slab::push(fiber_block* block) noexcept {
  block->next = free_;
  free_ = block;
  ++free_count_;
}

fiber_block* block_slab::allocate(block_cache* cache) noexcept {
  fiber_block* b = nullptr;
  if (cache != nullptr && cache->head != nullptr) {
    b = cache->head;
    cache->head = b->next;
    --cache->count;
  } else {
    const spin_guard guard(lock_);
    if (free_ == nullptr && !grow()) return nullptr;
    b = pop();
    while (cache != nullptr && cache->count < batch && free_ != nullptr) {
      fiber_block* extra = pop();
      extra->next = cache->head;
      cache->head = extra;
      ++cache->count;
    }
  }
  b->state.restart();
  b->next = nullptr;
  return b;
}

void block_slab::release(fiber_block* block, block_cache* cache) noexcept {
  if (cache != nullptr && cache->count < 2 * batch) {
    block->next = cache->head;
    cache->head = block;
    ++cache->count;
    return;
  }
  bool last = false;
  {
    const spin_guard guard(lock_);
    push(block);
    for (std::size_t i = 0; cache != nullptr && i < batch; ++i) {
      fiber_block* extra = cache->head;
      cache->head = extra->next;
      --cache->count;
      push(extra);
    }
    last = closed_ && free_count_ == chunks_.size() * blocks_per_chunk;
  }
  if (last) delete this;
}

void block_slab::flush(block_cache& cache) noexcept {
  const spin_guard guard(lock_);
  while (fiber_block* b = cache.head) {
    cache.head = b->next;
    push(b);
  }
  cache.count = 0;
}

void block_slab::close() noexcept {
  bool last = false;
  {
    const spin_guard guard(lock_);
    closed_ = true;
    last = free_count_ == chunks_.size() * blocks_per_chunk;
  }
  if (last) delete this;
}

}  // namespace sennit::inline v0::detail

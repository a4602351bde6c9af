#pragma once
// Where control blocks come from: dense, type-stable, enumerable.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

/// A worker's private supply of free blocks; touched by that worker only. Last in, first out.
struct block_cache {
  explicit block_cache(unsigned of_shard) noexcept : shard(of_shard) {}
  const unsigned shard;  // where it gets more
  std::uint32_t count = 0;
  std::array<fiber_block*, 64> blocks;
};

/// One per runtime; any thread. Chunks stay mapped until the slab goes. A slab whose runtime is gone lives on until the
/// last handle has returned its block: close() hands it over to them.
///
/// The free blocks lie in shards, one for each worker: a chunk belongs to one of them, and its blocks go back to it
/// wherever their fibers ended (mimalloc's pages, Leijen, Zorn, de Moura 2019; with a lock, since whole batches move).
/// So a block comes back to the CPU that had it, and workers that spawn do not wait for each other.
class block_slab {
  static constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;

 public:
  static constexpr std::size_t blocks_per_chunk = chunk_bytes / sizeof(fiber_block) - 1;

  static block_slab* make(unsigned shards) { return new block_slab(shards); }
  /// The runtime lets go. Deletes the slab now, or with the last block that a handle still holds.
  void close() noexcept { let_go(1); }

  /// A free block, all fields as in a new one but for the epoch; nullptr without memory. `cache` may be null (a plain
  /// thread). The caller sets refs.
  fiber_block* allocate(block_cache* cache) noexcept;
  /// Returns a block with no references.
  void release(fiber_block* block, block_cache* cache) noexcept;
  void flush(block_cache& cache) noexcept { spill(cache, cache.count); }

  /// The slab that owns `block`.
  static block_slab& of(fiber_block& block) noexcept;

  /// Calls f(block) for every block that has references, under the slab's lock.
  template <class F>
  void for_each(F&& f) {
    const spin_guard guard(lock_);
    for (chunk* c : chunks_) each_of(*c, f);
  }
  /// The same for the blocks of one chunk, blocks_per_chunk at most. Chunks are numbered from 0; false: there is none.
  template <class F>
  bool for_each_in_chunk(std::size_t number, F&& f) {
    const spin_guard guard(lock_);
    if (number >= chunks_.size()) return false;
    each_of(*chunks_[number], f);
    return true;
  }
  /// Whether `at` is a block of this slab, used or free, and not of another one.
  [[nodiscard]] bool contains(const waiter* at) noexcept;

  block_slab(const block_slab&) = delete;
  block_slab& operator=(const block_slab&) = delete;

 private:
  friend struct debug_layout;
  static constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;
  static constexpr std::uint32_t batch = 32;  // blocks that move at once between a cache and the slab

  struct shard;

  /// Aligned to its size, so that a block finds its slab; the first slot is the header. Which blocks are free stands
  /// there and not in them: to look for one that is in no cache costs more than a spawn. Under the lock of its shard.
  struct chunk {
    block_slab* const owner;
    atomic<shard*> home;
    chunk* next_free = nullptr;  // of its shard, of those that have a free block
    std::uint32_t free_count = 0;
    std::array<std::uint64_t, 4> free{};  // a bit for each

    fiber_block& block(std::size_t i) noexcept { return reinterpret_cast<fiber_block*>(this)[i + 1]; }
    static chunk& of(fiber_block& b) noexcept {
      return *reinterpret_cast<chunk*>(reinterpret_cast<std::uintptr_t>(&b) & ~(chunk_bytes - 1));
    }
  };
  static_assert(sizeof(chunk) <= sizeof(fiber_block) && blocks_per_chunk <= 256);

  struct alignas(64) shard {
    fiber_block* pop() noexcept SENNIT_REQUIRES(lock);
    void push(fiber_block& block) noexcept SENNIT_REQUIRES(lock);
    void add(chunk& c) noexcept SENNIT_REQUIRES(lock);

    spin_lock lock;
    atomic<chunk*> free{nullptr};  // changed under the lock; others look whether there is any
  };

  template <class F>
  static void each_of(chunk& c, F&& f) {
    for (std::size_t i = 0; i < blocks_per_chunk; ++i) {
      if (fiber_block& b = c.block(i); b.refs.load(acquire) != 0) f(b);  // mm:block-refs
    }
  }

  static constexpr std::size_t region_bytes(std::size_t number) noexcept {
    return number == 0 ? huge_page : 16 * huge_page;
  }

  static constexpr std::uint32_t fetched_ahead = 2;

  explicit block_slab(unsigned shards) : shards_(shards) {}
  ~block_slab();
  bool map_region() noexcept SENNIT_REQUIRES(lock_);
  chunk* make_chunk(shard& home) noexcept;
  chunk* take_chunk_of_others(shard& home) noexcept;
  std::uint32_t pop(shard& from, std::span<fiber_block*> out) noexcept;
  std::size_t push(std::span<fiber_block* const> blocks) noexcept;
  [[gnu::noinline]] bool refill(block_cache& cache) noexcept;
  [[gnu::noinline]] void spill(block_cache& cache, std::uint32_t count) noexcept;
  [[gnu::noinline]] fiber_block* take_one() noexcept;
  [[gnu::noinline]] void give_one(fiber_block& block) noexcept;
  void let_go(std::size_t count) noexcept;

  std::vector<shard> shards_;
  atomic<std::size_t> outside_{1};  // blocks that are in no shard; the runtime counts as one
  spin_lock lock_;
  std::vector<std::byte*> regions_ SENNIT_GUARDED_BY(lock_);
  std::span<std::byte> fresh_ SENNIT_GUARDED_BY(lock_);  // of the last region: reserved, not in memory yet
  std::vector<chunk*> chunks_ SENNIT_GUARDED_BY(lock_);  // cut from the regions
};

}  // namespace sennit::inline v0::detail

#pragma once
// Where control blocks come from: dense, type-stable, enumerable.
#include <cstddef>
#include <span>
#include <vector>

#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

/// A worker's private supply of free blocks; touched by that worker only.
struct block_cache {
  fiber_block* head = nullptr;
  std::size_t count = 0;
};

/// One per runtime; any thread. Chunks stay mapped until the slab goes. A slab whose runtime is gone lives on until the
/// last handle has returned its block: close() hands it over to them.
class block_slab {
  static constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;

 public:
  static constexpr std::size_t blocks_per_chunk = chunk_bytes / sizeof(fiber_block) - 1;

  static block_slab* make() { return new block_slab; }
  /// The runtime lets go. Deletes the slab now, or with the last block that a handle still holds.
  void close() noexcept;

  /// A free block, all fields as in a new one but for the epoch; nullptr without memory. `cache` may be null (a plain
  /// thread). The caller sets refs.
  fiber_block* allocate(block_cache* cache) noexcept;
  /// Returns a block with no references.
  void release(fiber_block* block, block_cache* cache) noexcept;
  void flush(block_cache& cache) noexcept;

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
  static constexpr std::size_t batch = 32;

  /// Aligned to its size, so that a block finds its slab; the first slot is the header.
  struct chunk {
    block_slab* owner;
    fiber_block& block(std::size_t i) noexcept { return reinterpret_cast<fiber_block*>(this)[i + 1]; }
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

  block_slab() = default;
  ~block_slab();
  bool map_region() noexcept SENNIT_REQUIRES(lock_);
  bool grow() noexcept SENNIT_REQUIRES(lock_);
  fiber_block* pop() noexcept SENNIT_REQUIRES(lock_);
  void push(fiber_block* block) noexcept SENNIT_REQUIRES(lock_);

  spin_lock lock_;
  std::vector<std::byte*> regions_ SENNIT_GUARDED_BY(lock_);
  std::span<std::byte> fresh_ SENNIT_GUARDED_BY(lock_);  // of the last region: reserved, not in memory yet
  std::vector<chunk*> chunks_ SENNIT_GUARDED_BY(lock_);  // cut from the regions
  fiber_block* free_ SENNIT_GUARDED_BY(lock_) = nullptr;
  std::size_t free_count_ SENNIT_GUARDED_BY(lock_) = 0;
  bool closed_ SENNIT_GUARDED_BY(lock_) = false;
};

}  // namespace sennit::inline v0::detail

#pragma once
// Deadlines of parked fibers. The next ones are in a small heap; those of the coming second lie unsorted in buckets of
// 4 ms, each of which goes into the heap when its time is near, as in a calendar queue (Brown 1988); all others are in
// a second heap. So a sleep costs a list and a heap that fits in the cache, however many sleep. Arming is O(1) and
// never allocates, so it cannot fail in a post-switch hook; removing is O(1) from a bucket, and as pairing_heap says
// else.
#include <array>
#include <cstddef>
#include <limits>

#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"
#include "queue/pairing_heap.hpp"

namespace sennit::inline v0::detail {

/// One per worker. Any thread under the lock: the worker arms, whoever woke the fiber first or polls in the worker's
/// place removes.
class timer_queue {
 public:
  spin_lock lock;

  /// `now` may be late: it decides about speed only.
  void insert(timer_node& node, nanos now) noexcept SENNIT_REQUIRES(lock);
  /// Unlinks `node` if it is armed here; false if it has expired already.
  bool remove(timer_node& node) noexcept SENNIT_REQUIRES(lock);
  /// The earliest node if it is due at `now`, unlinked; nullptr if none.
  timer_node* pop_due(nanos now) noexcept SENNIT_REQUIRES(lock);

  /// The earliest deadline, or never: a hint without the lock, exact for whoever holds it.
  [[nodiscard]] nanos next_deadline() const noexcept { return next_.load(relaxed); }  // mm:timer-next

  /// How many are armed: a hint without the lock.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(relaxed); }  // mm:timer-next

 private:
  static constexpr int bucket_bits = 22;
  static constexpr nanos buckets = 256;
  static constexpr nanos no_bucket = std::numeric_limits<nanos>::max();

  /// Buckets are numbered from the clock's zero on; number n is kept at n % buckets.
  static nanos bucket_of(nanos time) noexcept { return time >> bucket_bits; }
  timer_node*& bucket(nanos number) noexcept SENNIT_REQUIRES(lock) {
    return bucket_[static_cast<std::size_t>(number) % buckets];
  }
  void put_in_bucket(timer_node& node) noexcept SENNIT_REQUIRES(lock);
  void take_from_bucket(timer_node& node) noexcept SENNIT_REQUIRES(lock);
  void find_first_bucket(nanos from) noexcept SENNIT_REQUIRES(lock);
  void refill() noexcept SENNIT_REQUIRES(lock);
  void publish(std::ptrdiff_t more) noexcept SENNIT_REQUIRES(lock);

  // No bucket holds a deadline that is earlier than the top of near_, or one before base_; each holds deadlines of one
  // number, from base_ to base_ + buckets - 1.
  pairing_heap near_ SENNIT_GUARDED_BY(lock);
  pairing_heap far_ SENNIT_GUARDED_BY(lock);
  std::array<timer_node*, buckets> bucket_ SENNIT_GUARDED_BY(lock){};
  nanos base_ SENNIT_GUARDED_BY(lock) = 0;
  nanos first_ SENNIT_GUARDED_BY(lock) = no_bucket;  // the first that is not empty
  std::size_t in_buckets_ SENNIT_GUARDED_BY(lock) = 0;
  atomic<nanos> next_{never};
  atomic<std::size_t> size_{0};
};

}  // namespace sennit::inline v0::detail

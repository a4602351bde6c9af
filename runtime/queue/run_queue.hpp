#pragma once
// A worker's local run queue: a ring, pushed and popped by its owner, robbed of half by others. The protocol is Go's
// (runtime/proc.go runqput, runqget, runqgrab) and tokio's; that the ring can grow under the thieves is Chase and Lev's
// (Dynamic circular work-stealing deque, 2005): FIFO order is kept for any number of ready fibers, where a fixed ring
// would have to send the overflow round by the inject queue, ahead of and behind others. Model: tests/models/steal.pml.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

/// Owned by one worker. push and pop by the owner only, never in parallel with each other; steal_into by any other
/// worker, in parallel with everything. The capacities are parameters so that tests make them tiny; powers of two.
template <std::size_t First = 256, std::size_t Most = std::size_t{1} << 20>
class run_queue {
  static_assert((First & (First - 1)) == 0 && First >= 2 && (Most & (Most - 1)) == 0 && Most >= First);

 public:
  run_queue() : ring_(new ring(First, nullptr)) {}
  ~run_queue() {
    for (ring* r = ring_.load(relaxed); r != nullptr;) {  // mm:runq-ring: nobody else is left
      ring* const older = r->older;
      delete r;
      r = older;
    }
  }
  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;

  /// False if full: at the largest capacity, or no memory to grow.
  [[nodiscard]] bool push(fiber_block* f) noexcept {
    const std::uint32_t head = head_.load(acquire);  // mm:runq-head: a thief is done with the slots before it
    const std::uint32_t tail = tail_.load(relaxed);  // mm:runq-tail: own
    ring* r = ring_.load(relaxed);                   // mm:runq-ring: own
    if (tail - head > r->mask) [[unlikely]] {
      r = grow(*r, head, tail);
      if (r == nullptr) return false;
    }
    r->slot(tail).store(f, relaxed);  // mm:runq-slot
    tail_.store(tail + 1, release);   // mm:runq-tail: publishes the slot, and the ring before it
    return true;
  }

  [[nodiscard]] fiber_block* pop() noexcept {
    std::uint32_t left = 0;
    return pop(left);
  }
  /// `left`: how many are left, at most.
  [[nodiscard]] fiber_block* pop(std::uint32_t& left) noexcept {
    std::uint32_t head = head_.load(acquire);  // mm:runq-head
    for (;;) {
      const std::uint32_t tail = tail_.load(relaxed);  // mm:runq-tail: own
      if (head == tail) return nullptr;
      left = tail - head - 1;
      fiber_block* f = ring_.load(relaxed)->slot(head).load(relaxed);               // mm:runq-slot
      if (head_.compare_exchange_weak(head, head + 1, acq_rel, acquire)) return f;  // mm:runq-head
    }
  }

  /// What the owner would pop after `n` others, unless a thief comes first; null if there are not so many. Owner only.
  [[nodiscard]] fiber_block* ahead(std::uint32_t n) const noexcept {
    const std::uint32_t head = head_.load(relaxed);            // mm:runq-head: may be old by the time it is used
    if (tail_.load(relaxed) - head <= n) return nullptr;       // mm:runq-tail: own
    return ring_.load(relaxed)->slot(head + n).load(relaxed);  // mm:runq-ring, mm:runq-slot
  }

  /// Moves half of this queue (rounded up, at most First / 2) to the end of `mine`, which the caller owns; how many.
  std::size_t steal_into(run_queue& mine) noexcept {
    const std::uint32_t mine_tail = mine.tail_.load(relaxed);         // mm:runq-tail: own
    const std::uint32_t used = mine_tail - mine.head_.load(acquire);  // mm:runq-head
    ring& into = *mine.ring_.load(relaxed);                           // mm:runq-ring: own
    const std::uint32_t room = std::min<std::uint32_t>(into.mask + 1 - used, First / 2);
    std::uint32_t head = head_.load(acquire);  // mm:runq-head
    for (;;) {
      const std::uint32_t tail = tail_.load(acquire);  // mm:runq-tail: sees the slots up to it
      std::uint32_t n = tail - head;
      // head was read before tail: the owner may have gone round in between, then the distance is nonsense.
      if (n > Most) {
        head = head_.load(acquire);  // mm:runq-head
        continue;
      }
      n = std::min(n - n / 2, room);
      if (n == 0) return 0;
      // Loaded after tail, so it holds all slots up to it. A ring that was replaced meanwhile keeps what it held: the
      // owner writes to the new one only.
      ring& from = *ring_.load(acquire);  // mm:runq-ring
      for (std::uint32_t i = 0; i < n; ++i) {
        // A torn view (the owner popped and pushed over these slots) is thrown away by the failing exchange below.
        into.slot(mine_tail + i).store(from.slot(head + i).load(relaxed), relaxed);  // mm:runq-slot
      }
      if (head_.compare_exchange_strong(head, head + n, acq_rel, acquire)) {  // mm:runq-head: frees the slots
        mine.tail_.store(mine_tail + n, release);                             // mm:runq-tail
        return n;
      }
    }
  }

  /// A hint for others; exact for the owner when no thief is active.
  [[nodiscard]] std::size_t size() const noexcept {
    const std::uint32_t head = head_.load(acquire);  // mm:runq-head
    const std::uint32_t tail = tail_.load(acquire);  // mm:runq-tail
    const std::uint32_t n = tail - head;
    return n > Most ? 0 : n;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

 private:
  friend struct run_queue_tester;  // sets the indices, to see them wrap

  /// Slots, and the ring that this one replaced: kept until the queue goes, since a thief may still read there.
  struct ring {
    ring(std::size_t capacity, ring* replaced)
        : mask(static_cast<std::uint32_t>(capacity - 1)), older(replaced), slots(new atomic<fiber_block*>[capacity]) {}
    [[nodiscard]] atomic<fiber_block*>& slot(std::uint32_t i) const noexcept { return slots[i & mask]; }
    const std::uint32_t mask;
    ring* const older;
    const std::unique_ptr<atomic<fiber_block*>[]> slots;
  };

  [[gnu::noinline]] ring* grow(ring& full, std::uint32_t head, std::uint32_t tail) noexcept {
    if (full.mask + 1 >= Most) return nullptr;
    ring* bigger = nullptr;
    try {
      bigger = new ring((std::size_t{full.mask} + 1) * 2, &full);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    for (std::uint32_t i = head; i != tail; ++i) {
      bigger->slot(i).store(full.slot(i).load(relaxed), relaxed);  // mm:runq-slot
    }
    ring_.store(bigger, release);  // mm:runq-ring: publishes the copies
    return bigger;
  }

  alignas(64) atomic<std::uint32_t> head_{0};  // thieves and owner, by compare-exchange
  alignas(64) atomic<std::uint32_t> tail_{0};  // owner
  atomic<ring*> ring_;                         // owner
};

}  // namespace sennit::inline v0::detail

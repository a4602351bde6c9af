#pragma once
// A FIFO that anyone may push to: fibers from plain threads and other runtimes, overflow of local queues, and (one per
// worker) fibers that only one worker may run.
#include <cstddef>

#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

/// A singly linked chain of fibers, linked by fiber_block::next. A value of one thread.
struct fiber_chain {
  fiber_block* head = nullptr;
  fiber_block* tail = nullptr;
  std::size_t count = 0;

  void push_back(fiber_block* f) noexcept {
    f->next = nullptr;
    (tail != nullptr ? tail->next : head) = f;
    tail = f;
    ++count;
  }
  fiber_block* pop_front() noexcept {
    fiber_block* f = head;
    if (f == nullptr) return nullptr;
    head = f->next;
    if (head == nullptr) tail = nullptr;
    --count;
    return f;
  }
  void append(fiber_chain& other) noexcept {
    if (other.head == nullptr) return;
    (tail != nullptr ? tail->next : head) = other.head;
    tail = other.tail;
    count += other.count;
    other = {};
  }
  [[nodiscard]] bool empty() const noexcept { return head == nullptr; }
};

/// Any thread. The count is readable without the lock: a worker looks at it often.
class inject_queue {
 public:
  void push(fiber_chain&& chain) noexcept {
    if (chain.empty()) return;
    const spin_guard guard(lock_);
    list_.append(chain);
    count_.store(list_.count, release);  // mm:inject-count
  }
  void push(fiber_block* f) noexcept {
    fiber_chain one;
    one.push_back(f);
    push(std::move(one));
  }
  /// Up to `most` fibers from the front.
  fiber_chain pop(std::size_t most) noexcept {
    fiber_chain out;
    if (empty()) return out;
    const spin_guard guard(lock_);
    if (!list_.empty()) list_.head->fetch<0, 4>();  // all at once: they are in the cache of who pushed it
    while (out.count < most && !list_.empty()) out.push_back(list_.pop_front());
    count_.store(list_.count, release);  // mm:inject-count
    return out;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_.load(acquire); }  // mm:inject-count
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

 private:
  spin_lock lock_;
  fiber_chain list_ SENNIT_GUARDED_BY(lock_);
  alignas(64) atomic<std::size_t> count_{0};  // in a line of its own: looked at while others push
};

}  // namespace sennit::inline v0::detail

#pragma once
// Who sleeps, who searches, and whom to wake: Go's protocol (runtime/proc.go, "Worker thread parking/unparking").
// Model: tests/models/idle_search.pml.
//
// The danger: a producer queues work and sees nobody to wake, while the last worker sees no work and goes to sleep.
//   producer: push work; StoreLoad; read the word          worker: write the word; StoreLoad; look at all queues again
// One of the two sees the other. At most one worker is woken while none searches; a searcher that finds work and was
// the last one wakes the next, so that a burst of work wakes workers one after another and a trickle wakes no crowd.
#include <vector>

#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"
#include "base/check.hpp"

namespace sennit::inline v0::detail {

/// One per scheduler; any thread.
class idle_set {
 public:
  explicit idle_set(unsigned workers) : workers_(workers), word_(workers) { sleepers_.reserve(workers); }

  static constexpr unsigned nobody = ~0U;

  /// After work was queued where others can take it: the worker to wake (it counts as awake and searching from now on),
  /// or nobody. The caller wakes it.
  [[nodiscard]] unsigned choose_to_wake() noexcept {
    storeload_fence();                                     // the queued work is visible before the word is read
    if (!should_wake(word_.load(seq_cst))) return nobody;  // mm:idle-word
    const spin_guard guard(lock_);
    if (!should_wake(word_.load(seq_cst)) || sleepers_.empty()) return nobody;  // mm:idle-word
    const unsigned w = sleepers_.back();
    sleepers_.pop_back();
    word_.fetch_add(one_searching + 1, seq_cst);  // mm:idle-word
    return w;
  }

  /// A worker without work wants to search. Half of those awake at most: more would only fight for the same queues.
  [[nodiscard]] bool try_search() noexcept {
    const std::uint32_t seen = word_.load(relaxed);  // mm:idle-word: a bound, not a lock: one too many does no harm
    if (2 * (seen >> 16) >= (seen & 0xffff)) return false;
    word_.fetch_add(one_searching, seq_cst);  // mm:idle-word
    return true;
  }
  /// A searcher found work. True if it was the last: the caller wakes the next one.
  [[nodiscard]] bool end_search() noexcept {
    return word_.fetch_sub(one_searching, seq_cst) >> 16 == 1;  // mm:idle-word
  }

  /// `w` goes to sleep. True if nobody searches now: the caller must look at all queues once more before it blocks, and
  /// wake somebody (perhaps itself) if there is work.
  [[nodiscard]] bool enter(unsigned w, bool searching) noexcept {
    std::uint32_t before = 0;
    const std::uint32_t change = 1 + (searching ? one_searching : 0);
    {
      const spin_guard guard(lock_);
      sleepers_.push_back(w);
      before = word_.fetch_sub(change, seq_cst);  // mm:idle-word
    }
    storeload_fence();  // the word is visible before the queues are read
    return (before - change) >> 16 == 0;
  }
  /// `w` is awake again. True if a waker chose it, then it is searching; false if it woke by itself.
  [[nodiscard]] bool leave(unsigned w) noexcept {
    const spin_guard guard(lock_);
    for (auto& s : sleepers_) {
      if (s == w) {
        s = sleepers_.back();
        sleepers_.pop_back();
        word_.fetch_add(1, seq_cst);  // mm:idle-word
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] unsigned awake() const noexcept { return word_.load(seq_cst) & 0xffff; }  // mm:idle-word

 private:
  static constexpr std::uint32_t one_searching = 1U << 16;
  [[nodiscard]] bool should_wake(std::uint32_t word) const noexcept {
    return word >> 16 == 0 && (word & 0xffff) < workers_;
  }

  const unsigned workers_;
  atomic<std::uint32_t> word_;  // searching << 16 | awake
  spin_lock lock_;
  std::vector<unsigned> sleepers_ SENNIT_GUARDED_BY(lock_);  // last in, first out: the warmest is woken
};

}  // namespace sennit::inline v0::detail

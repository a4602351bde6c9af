// The word: 0 free, else who holds it, with the lowest bit set if others wait. A free mutex is 0 even while waiters are
// queued, so that whoever runs now may take it with one compare-exchange: handing it to a waiter would cost two
// switches per critical section. A woken waiter is on its way then, and marks the word again if it comes too late;
// after `patience` defeats it is handed the mutex. tests/models/mutex.pml is this file.
#include <sennit/mutex.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

constexpr std::uintptr_t waiters = 1;  // set and cleared only under the lock of the queue
constexpr unsigned patience = 3;

/// On the waiter's stack; `handed` is written by the unlocker between claim and ready.
struct mutex_node : wait_node {
  mutex_node(waiter& w, unsigned defeats) noexcept : wait_node(w, 0), passed_over(defeats) {}

  const unsigned passed_over;
  bool handed = false;
};

/// The word of a mutex that `w` holds and nobody waits for.
std::uintptr_t held_by(const waiter& w) noexcept { return reinterpret_cast<std::uintptr_t>(&w); }

/// Of a mutex that nobody holds.
bool take(atomic<std::uintptr_t>& word, const waiter& self) noexcept {
  std::uintptr_t seen = 0;
  return word.compare_exchange_strong(seen, held_by(self), acquire, relaxed);  // mm:mutex-word
}

bool is_held_by(std::uintptr_t word, const waiter& w) noexcept { return (word & ~waiters) == held_by(w); }

}  // namespace

mutex::~mutex() {
  SENNIT_CHECK_SEEN(word_.load(relaxed) == 0, "a mutex is destroyed while locked: unlock it first",  // mm:mutex-word
                    word_.load(relaxed));                                                            // mm:mutex-word
}

void mutex::lock() noexcept { lock_as(current_waiter()); }

void mutex::lock_as(waiter& self) noexcept SENNIT_NO_ANALYSIS {  // it cannot fail
  if (!take(word_, self)) static_cast<void>(lock_slow(self, {}));
}

bool mutex::lock_before(wait_bound until) noexcept {
  waiter& self = current_waiter();
  return take(word_, self) || lock_slow(self, until);
}

// Only the owner can find itself there: a stale look is somebody else.
bool mutex::is_mine() const noexcept { return is_held_by(word_.load(relaxed), current_waiter()); }  // mm:mutex-word

const waiter* mutex::owner() const noexcept {
  return reinterpret_cast<const waiter*>(word_.load(relaxed) & ~waiters);  // mm:mutex-word
}

bool mutex::try_lock() noexcept { return take(word_, current_waiter()); }

[[gnu::noinline]] bool mutex::lock_slow(waiter& self, wait_bound until) noexcept {
  SENNIT_CHECK(!is_held_by(word_.load(relaxed), self),  // mm:mutex-word
               "this fiber or thread holds the mutex already: lock it once, or use a recursive_mutex");
  for (unsigned passed_over = 0;; ++passed_over) {
    waiters_.lock.lock();
    std::uintptr_t seen = word_.load(relaxed);  // mm:mutex-word
    for (;;) {
      if (seen == 0) {
        // Whoever took us from the queue freed the word with others left behind: mark it for them.
        const std::uintptr_t mine = held_by(self) | (waiters_.empty() ? 0 : waiters);
        if (!word_.compare_exchange_weak(seen, mine, acquire, relaxed)) continue;  // mm:mutex-word
        waiters_.lock.unlock();
        return true;
      }
      if ((seen & waiters) != 0) break;
      if (word_.compare_exchange_weak(seen, seen | waiters, relaxed, relaxed)) break;  // mm:mutex-word
    }
    mutex_node node(self, passed_over);
    passed_over == 0 ? waiters_.push_back(node) : waiters_.push_front(node);
    const std::uint16_t woken_by = park_in(
        waiters_.lock, waiters_, node, {.kind = wait_kind::mutex, .object = this, .until = until, .ambient = false});
    if (node.handed) return true;
    if (woken_by != node.which) return false;  // the mark stays on the word: unlock_slow() finds out
  }
}

void mutex::unlock() noexcept { unlock_as(current_waiter()); }

void mutex::unlock_as(waiter& self) noexcept {
  std::uintptr_t seen = held_by(self);
  if (word_.compare_exchange_strong(seen, 0, release, relaxed)) return;  // mm:mutex-word
  SENNIT_CHECK(is_held_by(seen, self),
               "only the fiber or thread that locked a mutex may unlock it: hand the lock over with an event");
  unlock_slow(self);
}

[[gnu::noinline]] void mutex::unlock_slow(waiter& self) noexcept {
  for (;;) {
    waiters_.lock.lock();
    auto* const next = static_cast<mutex_node*>(waiters_.claim_front());
    if (next != nullptr) {
      next->handed = next->passed_over >= patience;
      if (next->handed) {
        word_.store(held_by(*next->who) | (waiters_.empty() ? 0 : waiters), relaxed);  // mm:mutex-word
      } else {
        word_.store(0, release);  // mm:mutex-word
      }
      // The claimed waiter is a user of the mutex and cannot run yet: nobody may destroy the mutex before the ready.
      waiters_.lock.unlock();
      ready(*next->who);
      return;
    }
    // All gave up. Freeing the word now would let the next owner destroy the mutex before we release the queue: leave
    // the queue first, and free it by the fast way as the last access.
    word_.store(held_by(self), relaxed);  // mm:mutex-word
    waiters_.lock.unlock();
    std::uintptr_t seen = held_by(self);
    if (word_.compare_exchange_strong(seen, 0, release, relaxed)) return;  // mm:mutex-word
  }
}

}  // namespace sennit::inline v0

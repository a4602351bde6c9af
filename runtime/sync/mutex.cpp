// The word: 0 free, `locked`, or `locked | waiters`. A free mutex is 0 even while waiters are queued, so that whoever
// runs now may take it with one compare-exchange: handing it to a waiter would cost two switches per critical section.
// A woken waiter is on its way then, and marks the word again if it comes too late; after `patience` defeats it is
// handed the mutex. tests/models/mutex.pml is this file.
#include <sennit/mutex.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

constexpr std::uint32_t locked = 1;
constexpr std::uint32_t waiters = 2;  // set and cleared only under the lock of the queue
constexpr unsigned patience = 3;

/// On the waiter's stack; `handed` is written by the unlocker between claim and ready.
struct mutex_node : wait_node {
  mutex_node(waiter& w, unsigned defeats) noexcept : wait_node(w, 0), passed_over(defeats) {}

  const unsigned passed_over;
  bool handed = false;
};

}  // namespace

mutex::~mutex() {
  SENNIT_CHECK_SEEN(word_.load(relaxed) == 0, "a mutex is destroyed while locked: unlock it first",  // mm:mutex-word
                    word_.load(relaxed));                                                            // mm:mutex-word
}

void mutex::lock() noexcept SENNIT_NO_ANALYSIS {  // it cannot fail
  static_cast<void>(lock_before({}));
}

bool mutex::lock_before(wait_bound until) noexcept {
  waiter& self = current_waiter();
  std::uint32_t seen = 0;
  if (!word_.compare_exchange_strong(seen, locked, acquire, relaxed) && !lock_slow(self, until)) {  // mm:mutex-word
    return false;
  }
  owner_.store(&self, relaxed);  // mm:mutex-owner
  return true;
}

bool mutex::is_mine() const noexcept { return owner_.load(relaxed) == &current_waiter(); }  // mm:mutex-owner

bool mutex::try_lock() noexcept {
  std::uint32_t seen = 0;
  if (!word_.compare_exchange_strong(seen, locked, acquire, relaxed)) return false;  // mm:mutex-word
  owner_.store(&current_waiter(), relaxed);                                          // mm:mutex-owner
  return true;
}

bool mutex::lock_slow(waiter& self, wait_bound until) noexcept {
  SENNIT_CHECK(owner_.load(relaxed) != &self,  // mm:mutex-owner
               "this fiber or thread holds the mutex already: lock it once, or use a recursive_mutex");
  for (unsigned passed_over = 0;; ++passed_over) {
    waiters_.lock.lock();
    std::uint32_t seen = word_.load(relaxed);  // mm:mutex-word
    for (;;) {
      if (seen == 0) {
        // Whoever took us from the queue freed the word with others left behind: mark it for them.
        const std::uint32_t mine = waiters_.empty() ? locked : locked | waiters;
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

void mutex::unlock() noexcept {
  SENNIT_CHECK(is_mine(),
               "only the fiber or thread that locked a mutex may unlock it: hand the lock over with an event");
  owner_.store(nullptr, relaxed);  // mm:mutex-owner
  std::uint32_t seen = locked;
  if (!word_.compare_exchange_strong(seen, 0, release, relaxed)) unlock_slow();  // mm:mutex-word
}

void mutex::unlock_slow() noexcept {
  for (;;) {
    waiters_.lock.lock();
    auto* const next = static_cast<mutex_node*>(waiters_.claim_front());
    if (next != nullptr) {
      next->handed = next->passed_over >= patience;
      if (next->handed) {
        word_.store(waiters_.empty() ? locked : locked | waiters, relaxed);  // mm:mutex-word
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
    word_.store(locked, relaxed);  // mm:mutex-word
    waiters_.lock.unlock();
    std::uint32_t seen = locked;
    if (word_.compare_exchange_strong(seen, 0, release, relaxed)) return;  // mm:mutex-word
  }
}

}  // namespace sennit::inline v0

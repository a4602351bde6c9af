#pragma once
// A binary semaphore made of nothing but a wait_queue, park() and ready(): the scheduler's tests use no floor above it.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <sennit/detail/wait_queue.hpp>
#include <sennit/fiber.hpp>

#include "base/random.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/worker.hpp"

namespace sennit::test {

/// Any fiber or thread. post() before wait() is kept; one waiter at a time.
class baton {
 public:
  /// True if it woke somebody.
  bool post() {
    lock_.lock.lock();
    detail::wait_node* const node = lock_.claim_front();
    if (node == nullptr) posted_ = true;
    detail::waiter* const who = node != nullptr ? node->who : nullptr;
    lock_.lock.unlock();
    if (who != nullptr) detail::ready(*who);
    return who != nullptr;
  }
  /// What ended the wait: 0 for a post, else the case of park().
  std::uint16_t wait(detail::nanos deadline = detail::never, bool ambient = false) SENNIT_NO_ANALYSIS {
    detail::waiter& self = detail::current_waiter();
    lock_.lock.lock();
    if (posted_) {
      posted_ = false;
      lock_.lock.unlock();
      return 0;
    }
    detail::wait_node node(self, 0);
    lock_.push_back(node);
    const auto woken_by = detail::park(self, {.kind = detail::wait_kind::event,
                                              .object = this,
                                              .until = {.deadline = deadline},
                                              .ambient = ambient,
                                              .held = &lock_.lock});
    if (woken_by != 0) {
      const detail::spin_guard guard(lock_.lock);
      lock_.remove(node);
    }
    return woken_by;
  }

 private:
  detail::wait_queue lock_;
  bool posted_ SENNIT_GUARDED_BY(lock_.lock) = false;
};

/// Ends the test program if it is false: for states from which a test could only hang.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "FAILED, and cannot go on: %s\n", what);
  std::abort();
}

/// Computes, without switching, until `condition` holds; false after `limit`.
template <class Condition>
bool spin_until(Condition&& condition, std::chrono::nanoseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return condition();
    detail::cpu_pause();
  }
  return true;
}

/// The worker that the calling fiber runs on.
inline unsigned worker_index() { return detail::this_worker()->index; }

/// Now and then a short delay or a yield: stirs the order of things.
inline void stir(detail::random_source& random) {
  const auto dice = random.below(256);
  if (dice == 0) {
    this_fiber::yield();
  } else if (dice < 16) {
    for (unsigned i = random.below(200); i > 0; --i) detail::cpu_pause();
  }
}

}  // namespace sennit::test

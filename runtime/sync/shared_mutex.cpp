// Everything happens under the queue's lock, and the mutex is handed over: whoever is claimed holds it already. As long
// as somebody can be claimed nobody else gets in, so the order of arrival is the order of entry.
#include <sennit/shared_mutex.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

struct shared_node : wait_node {
  shared_node(waiter& w, bool writes) noexcept : wait_node(w, 0), exclusive(writes) {}

  const bool exclusive;
};

}  // namespace

shared_timed_mutex::~shared_timed_mutex() {
  const spin_guard guard(waiters_.lock);
  SENNIT_CHECK(writer_ == nullptr && readers_ == 0 && waiters_.empty(),
               "a shared_mutex is destroyed while locked or waited for: unlock it first");
}

/// Hands the mutex to those at the front of the queue whom its state admits.
template <class Chain>
void shared_timed_mutex::let_in(Chain& chain) noexcept {
  while (auto* const next = static_cast<shared_node*>(waiters_.front())) {
    if (writer_ != nullptr || (next->exclusive && readers_ != 0)) return;
    waiter* const who = next->who;
    const bool exclusive = next->exclusive;
    waiters_.remove(*next);
    if (!next->claim()) continue;  // its deadline came first
    if (exclusive) {
      writer_ = who;
    } else {
      ++readers_;
    }
    chain.add(*next);
  }
}

/// With the lock held, which it releases: queues behind the others and waits to be let in.
bool shared_timed_mutex::wait_turn(waiter& self, bool exclusive, wait_bound until) noexcept {
  shared_node node(self, exclusive);
  waiters_.push_back(node);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node,
              {.kind = wait_kind::shared_mutex, .object = this, .until = until, .ambient = false});
  if (woken_by == node.which) return true;
  // A writer that gives up may have held up readers behind it.
  wake_chain chain;
  waiters_.lock.lock();
  let_in(chain);
  waiters_.lock.unlock();
  chain.ready_all();
  return false;
}

bool shared_timed_mutex::try_lock() noexcept {
  const spin_guard guard(waiters_.lock);
  if (writer_ != nullptr || readers_ != 0 || !waiters_.empty()) return false;
  writer_ = &current_waiter();
  return true;
}

bool shared_timed_mutex::try_lock_shared() noexcept {
  const spin_guard guard(waiters_.lock);
  if (writer_ != nullptr || !waiters_.empty()) return false;
  ++readers_;
  return true;
}

bool shared_timed_mutex::lock_before(wait_bound until) noexcept SENNIT_NO_ANALYSIS {  // wait_turn releases the queue
  waiter& self = current_waiter();
  waiters_.lock.lock();
  SENNIT_CHECK(writer_ != &self, "this fiber or thread holds the shared_mutex already: lock it once");
  if (writer_ != nullptr || readers_ != 0 || !waiters_.empty()) return wait_turn(self, true, until);
  writer_ = &self;
  waiters_.lock.unlock();
  return true;
}

bool shared_timed_mutex::lock_shared_before(wait_bound until) noexcept SENNIT_NO_ANALYSIS {  // as above
  waiter& self = current_waiter();
  waiters_.lock.lock();
  SENNIT_CHECK(writer_ != &self, "this fiber or thread holds the shared_mutex already: unlock it first");
  if (writer_ != nullptr || !waiters_.empty()) return wait_turn(self, false, until);
  ++readers_;
  waiters_.lock.unlock();
  return true;
}

void shared_timed_mutex::unlock() noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    SENNIT_CHECK(writer_ == &current_waiter(),
                 "only the fiber or thread that locked a shared_mutex may unlock it: hand the lock over with an event");
    writer_ = nullptr;
    let_in(chain);
  }
  chain.ready_all();
}

void shared_timed_mutex::unlock_shared() noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    SENNIT_CHECK(readers_ > 0, "unlock_shared() without lock_shared(): unlock once for each lock");
    --readers_;
    let_in(chain);
  }
  chain.ready_all();
}

}  // namespace sennit::inline v0

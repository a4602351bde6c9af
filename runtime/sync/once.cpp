#include <sennit/once.hpp>

#include "base/check.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

bool once_flag::begin() noexcept {
  waiter& self = current_waiter();
  for (;;) {
    waiters_.lock.lock();
    const std::uint32_t seen = state_.load(relaxed);  // mm:once-state
    if (seen != running) {
      if (seen == fresh) {
        state_.store(running, relaxed);  // mm:once-state
        runner_ = &self;
      }
      waiters_.lock.unlock();
      return seen == fresh;
    }
    SENNIT_CHECK(runner_ != &self, "call_once from inside of its own function waits for itself: use another flag");
    wait_node node(self, 0);
    waiters_.push_back(node);
    park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::once, .object = this, .ambient = false});
  }
}

void once_flag::end(bool succeeded) noexcept {
  wake_chain chain;
  {
    const spin_guard guard(waiters_.lock);
    runner_ = nullptr;
    state_.store(succeeded ? done : fresh, release);  // mm:once-state
    claim_all(waiters_, chain);
  }
  chain.ready_all();
}

}  // namespace sennit::inline v0

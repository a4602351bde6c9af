#include "sched/token_waker.hpp"

#include "context/tsan_section.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {

token_waker::token_waker(waiter& who, const stop_token& token, std::uint16_t which) noexcept : who_(who) {
  callback_.emplace(token, wake{who, who.state.epoch(), which});
}

token_waker::~token_waker() {
  // std's callback looks at what the thread that stopped it wrote, without a lock if that is this very thread: to TSan
  // that was another fiber. What fibers do here one after the other the thread's own identity has seen.
  if (worker* const w = this_worker(); w != nullptr) {
    tsan_release(this);
    {
      const tsan_section on_thread(w->tsan.self());
      tsan_acquire(this);
      callback_.reset();
      tsan_release(this);
    }
    tsan_acquire(this);
  } else {
    callback_.reset();
  }
  // A deadline that had passed, or a descriptor that was ready, and there was no park.
  who_.state.forget_note();
}

void token_waker::wake::operator()() const noexcept {
  if (who.state.claim_or_note(epoch, which)) ready(who);
}

}  // namespace sennit::inline v0::detail

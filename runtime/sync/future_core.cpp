// The lock of the waiters' queue guards the flags; the result itself is written by the one that claimed it, before, and
// read by those who found it ready, after. No look at the flags without the lock: it would let a waiter return, and
// destroy promise and future, while make_ready() still holds it (hazard 27).
#include <sennit/detail/future_core.hpp>

#include "base/check.hpp"
#include "sched/current.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {

void throw_future_error(std::future_errc code) { throw std::future_error(code); }

future_core::~future_core() = default;

void future_core::retain() noexcept { refs_.fetch_add(1, relaxed); }  // mm:future-refs

void future_core::release() noexcept {
  if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // mm:future-refs
}

// ---- the promise ----

void future_core::claim() {
  {
    const spin_guard guard(waiters_.lock);
    if (!std::exchange(satisfied_, true)) return;
  }
  throw_future_error(std::future_errc::promise_already_satisfied);
}

void future_core::unclaim() noexcept {
  const spin_guard guard(waiters_.lock);
  satisfied_ = false;
}

void future_core::set_error(std::exception_ptr error) noexcept {
  SENNIT_CHECK(error != nullptr, "set_exception needs an exception: use std::make_exception_ptr or current_exception");
  error_ = std::move(error);
}

void future_core::make_ready() noexcept {
  wake_chain chain;
  future_hook* hooks = nullptr;
  {
    const spin_guard guard(waiters_.lock);
    ready_ = true;
    claim_all(waiters_, chain);
    hooks = std::exchange(hooks_, nullptr);
    for (future_hook* h = hooks; h != nullptr; h = h->next) h->linked = false;
  }
  // The state may be gone: who comes now finds it ready. Who is in the chain cannot run yet, and each hook holds what
  // it belongs to.
  chain.ready_all();
  // A hook may complete a result that completes another: no deeper than their types are nested.
  while (hooks != nullptr) {
    future_hook& hook = *hooks;
    hooks = hook.next;  // before input_ready(), which may free the hook
    gathering::input_ready(hook);
  }
}

void future_core::make_ready_at_exit() noexcept {
  retain();
  exit_.core = this;
  exit_.run = [](exit_node& self) noexcept {
    future_core& core = *static_cast<exit_link&>(self).core;
    core.make_ready();
    core.release();
  };
  run_at_exit(exit_);
}

void future_core::abandon() noexcept {
  if (refs_.load(acquire) != 1) {  // mm:future-refs: else nobody is there to be told
    bool mine = false;
    {
      const spin_guard guard(waiters_.lock);
      mine = !std::exchange(satisfied_, true);
    }
    if (mine) {
      error_ = std::make_exception_ptr(std::future_error(std::future_errc::broken_promise));
      make_ready();
    }
  }
  release();
}

void future_core::fail(std::exception_ptr error) noexcept {
  {
    const spin_guard guard(waiters_.lock);
    if (ready_) return;
    satisfied_ = true;
  }
  error_ = std::move(error);
  make_ready();
}

void future_core::retrieve() {
  {
    const spin_guard guard(waiters_.lock);
    if (!std::exchange(retrieved_, true)) return;
  }
  throw_future_error(std::future_errc::future_already_retrieved);
}

future_core::future_core() noexcept
    : fiber_owner{[](fiber_owner& self, fiber_block& f) noexcept {
        // A fiber of async() that did not come to settle_async(): it failed, or never ran to its end.
        auto& core = static_cast<future_core&>(self);
        core.fail(f.take_failure());
        core.release();
      }} {}

void settle_async(future_core& state) noexcept {
  fiber_block& self = *current_fiber();
  // Here and not when its owner is told of the end, which is on no fiber: the result's destructor may wait.
  state.make_ready();
  self.owner = nullptr;
  state.release();
}

// ---- the future ----

bool future_core::wait(wait_bound until) {
  waiter& self = current_waiter();
  waiters_.lock.lock();
  if (ready_) {
    waiters_.lock.unlock();
    return true;
  }
  wait_node node(self, 0);
  waiters_.push_back(node);
  const std::uint16_t woken_by =
      park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::future, .object = this, .until = until});
  throw_if_canceled(woken_by);
  return woken_by == node.which;
}

bool future_core::attach(future_hook& hook) noexcept {
  const spin_guard guard(waiters_.lock);
  if (ready_) return false;
  hook.linked = true;
  hook.prev = nullptr;
  hook.next = hooks_;
  if (hooks_ != nullptr) hooks_->prev = &hook;
  hooks_ = &hook;
  return true;
}

bool future_core::detach(future_hook& hook) noexcept {
  const spin_guard guard(waiters_.lock);
  if (!hook.linked) return false;
  hook.linked = false;
  (hook.prev != nullptr ? hook.prev->next : hooks_) = hook.next;
  if (hook.next != nullptr) hook.next->prev = hook.prev;
  return true;
}

// ---- many futures ----

gathering::gathering(future_core& result, std::size_t inputs, std::size_t* index)
    : result_(result),
      index_(index),
      inputs_(inputs),
      hooks_(std::make_unique<future_hook[]>(inputs)),
      missing_(index == nullptr ? inputs + 1 : std::size_t{2}) {}  // start() is one of them

void gathering::start() noexcept {
  std::size_t done = 1;
  for (; attached_ < inputs_; ++attached_) {
    future_hook& hook = hooks_[attached_];
    hook.owner = this;
    result_.retain();  // NOLINT(clang-analyzer-cplusplus.NewDelete): the caller holds a reference
    if (hook.input->attach(hook)) continue;
    result_.release();
    if (counts(hook)) ++done;
    if (index_ != nullptr) break;  // the others need not be asked
  }
  if (inputs_ == 0 && index_ != nullptr) ++done;
  if (missing_.fetch_sub(done, acq_rel) != done) return;  // mm:future-missing
  complete();
}

/// Whether this is one of the things to happen: each input for when_all, only the first for when_any.
bool gathering::counts(const future_hook& hook) noexcept {
  if (index_ == nullptr) return true;
  const future_hook* none = nullptr;
  return first_.compare_exchange_strong(none, &hook, relaxed, relaxed);  // mm:future-first
}

void gathering::input_ready(future_hook& hook) noexcept {
  gathering& g = *hook.owner;
  future_core& result = g.result_;
  if (g.counts(hook) && g.missing_.fetch_sub(1, acq_rel) == 1) g.complete();  // mm:future-missing
  result.release();
}

void gathering::complete() noexcept {
  if (index_ != nullptr && inputs_ != 0) {
    *index_ = static_cast<std::size_t>(first_.load(relaxed) - hooks_.get());  // mm:future-first
    // A future that is never ready would collect the hooks of all the when_anys that it was part of.
    for (std::size_t i = 0; i < attached_; ++i) {
      // Not the last one: the caller holds one. NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete)
      if (hooks_[i].input->detach(hooks_[i])) result_.release();
    }
  }
  result_.make_ready();  // NOLINT(clang-analyzer-cplusplus.NewDelete): the same
}

}  // namespace sennit::inline v0::detail

#include <algorithm>
#include <utility>

#include <sennit/error.hpp>
#include <sennit/scope.hpp>

#include "base/check.hpp"
#include "base/log.hpp"
#include "sched/scheduler.hpp"
#include "sync/scope_links.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {
namespace {

template <class F>
void with_message(const std::exception_ptr& failure, F&& f) noexcept {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    f(e.what());
  } catch (...) {
    f("not a std::exception");
  }
}

bool is_cancellation(const std::exception_ptr& failure) noexcept {
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& e) {
    return e.code() == std::errc::operation_canceled;
  } catch (...) {
    return false;
  }
}

}  // namespace

/// Fibers claimed by a stop, to be readied when all locks are free. On the stack of who stops; linked through the
/// blocks.
class scope_links::fiber_list {
 public:
  void stop(fiber_block& f) noexcept {
    if (!f.state.request_stop()) return;
    f.next = head_;
    head_ = &f;
  }
  void ready_all() noexcept {
    while (fiber_block* f = head_) {
      head_ = f->next;  // before ready(): it may end at once
      ready(*f);
    }
  }

 private:
  fiber_block* head_ = nullptr;
};

// ---- the owner's side ----

scope_core::scope_core(on_exception policy, nanos deadline, std::size_t max_running)
    : fiber_owner{&scope_links::finish},
      policy_(policy),
      max_running_(max_running),
      owner_(current_fiber()),
      uncaught_(std::uncaught_exceptions()) {
  SENNIT_CHECK(owner_ != nullptr, "only a fiber can own a scope: make it inside runtime::run or a spawned function");
  shields_ = owner_->shields;
  outer_deadline_ = owner_->ambient_deadline;
  deadline_ = shields_ == 0 ? std::min(deadline, outer_deadline_) : deadline;
  owner_->ambient_deadline = deadline_;
  outer_ = owner_->innermost;
  {
    const spin_guard guard(owner_->scope_lock);
    owner_->innermost = this;
  }
  // Linked first: a stop that is under way from further out either finds this scope, or has marked what we look at now.
  inherit_stop();
}

scope_core::~scope_core() {
  SENNIT_CHECK(owner_ == current_fiber() && owner_->innermost == this,
               "a scope is destroyed by the fiber that made it, the innermost first: keep it on that fiber's stack");
  waiters_.lock.lock();
  const bool busy = running_ != 0;
  waiters_.lock.unlock();
  if (busy) request_stop();
  wait_all();
  {
    const spin_guard guard(owner_->scope_lock);
    owner_->innermost = outer_;
  }
  owner_->ambient_deadline = outer_deadline_;
  const std::exception_ptr failure = take_failure();
  if (failure == nullptr) return;
  const bool unwinding = std::uncaught_exceptions() > uncaught_;
  with_message(failure, [&](const char* message) {
    log(unwinding ? log_level::warn : log_level::error, "scope: fiber '%s' failed, and nobody fetched it by join(): %s",
        first_name_, message);
  });
  if (!unwinding) std::rethrow_exception(failure);  // out of a destructor: terminates, with the exception in the core
}

void scope_core::inherit_stop() noexcept {
  if (!scope_links::stop_wanted(*owner_, outer_, shields_)) return;
  const spin_guard guard(waiters_.lock);
  stopped_ = true;
}

void scope_core::request_stop() noexcept { scope_links::stop(*this); }

void scope_core::wait_all() noexcept {
  SENNIT_CHECK(owner_ == current_fiber(), "only the fiber that made a scope may join it: tell it by an event to do so");
  waiters_.lock.lock();
  while (running_ != 0) {
    wait_node node(*owner_, 0);
    joiner_ = &node;
    park_for_children();
    waiters_.lock.lock();
  }
  // One step under the lock: a stop of this scope that comes later sets both again.
  stopped_ = false;
  owner_->state.clear_stop();
  waiters_.lock.unlock();
  // A stop from further out may have set the bit before we cleared it, but has marked its scope before that.
  inherit_stop();
  if (ambient_stop_wanted(*owner_)) static_cast<void>(owner_->state.request_stop());
}

void scope_core::park_for_children() noexcept SENNIT_NO_ANALYSIS {  // park() releases the lock
  park(*owner_, {.kind = wait_kind::scope, .object = this, .ambient = false, .held = &waiters_.lock});
}

std::exception_ptr scope_core::take_failure() noexcept {
  const spin_guard guard(waiters_.lock);
  return std::exchange(first_, nullptr);
}

void scope_core::rethrow() {
  if (const std::exception_ptr failure = take_failure()) std::rethrow_exception(failure);
}

bool scope_core::has_room() const noexcept { return running_ + promised_ < max_running_; }

void scope_core::before_spawn() {
  if (max_running_ == 0) return;
  waiter& self = current_waiter();
  bool passed_over = false;
  waiters_.lock.lock();
  while (!has_room()) {
    wait_node node(self, 0);
    passed_over ? waiters_.push_front(node) : waiters_.push_back(node);
    const std::uint16_t woken_by = park_in(waiters_.lock, waiters_, node, {.kind = wait_kind::scope, .object = this});
    if (woken_by == case_stop && owner_ == current_fiber()) rethrow();  // why it was stopped, as adopt() does
    throw_if_canceled(woken_by);
    passed_over = true;
    waiters_.lock.lock();
  }
  ++promised_;
  waiters_.lock.unlock();
}

void scope_core::after_spawn() noexcept {
  if (max_running_ == 0) return;
  waiters_.lock.lock();
  --promised_;
  waiter* const next = has_room() ? waiters_.claim_waiter() : nullptr;
  waiters_.lock.unlock();
  if (next != nullptr) ready(*next);
}

// ---- the children's side ----

void scope_links::adopt(scope_core& s, fiber_block& child) {
  std::exception_ptr failure;
  {
    const spin_guard guard(s.waiters_.lock);
    if (!s.stopped_) {
      child.owner = &s;
      child.is_child = true;
      child.ambient_deadline = s.deadline_;
      child.sibling_prev = nullptr;
      child.sibling_next = s.children_;
      if (s.children_ != nullptr) s.children_->sibling_prev = &child;
      s.children_ = &child;
      ++s.running_;
      return;
    }
    // The owner has come here in place of join(): it wants to know why.
    if (s.owner_ == current_fiber()) failure = std::exchange(s.first_, nullptr);
  }
  if (failure != nullptr) std::rethrow_exception(failure);
  throw_if(std::make_error_code(std::errc::operation_canceled), "sennit: spawn in a scope that was stopped");
}

void scope_links::finish(fiber_owner& owner, fiber_block& child) noexcept {
  auto& s = static_cast<scope_core&>(owner);
  if (child.failure() != nullptr) note_failure(s, child);
  s.waiters_.lock.lock();
  (child.sibling_prev != nullptr ? child.sibling_prev->sibling_next : s.children_) = child.sibling_next;
  if (child.sibling_next != nullptr) child.sibling_next->sibling_prev = child.sibling_prev;
  waiter* wake = nullptr;
  if (--s.running_ == 0 && s.joiner_ != nullptr) {
    wait_node* const joiner = std::exchange(s.joiner_, nullptr);
    if (joiner->claim()) wake = joiner->who;
  } else if (s.max_running_ != 0 && s.has_room()) {
    wake = s.waiters_.claim_waiter();
  }
  // Without children the owner may leave as soon as the lock is free: no access to the scope after this.
  s.waiters_.lock.unlock();
  if (wake != nullptr) ready(*wake);
}

/// While the child still counts as running, so that the scope, and what the exception refers to, outlive this.
void scope_links::note_failure(scope_core& s, fiber_block& child) noexcept {
  // Left for who holds the handle, if anybody does.
  const bool held = child.refs.load(acquire) > 1;  // mm:block-refs
  const std::exception_ptr failure = held ? child.failure() : child.take_failure();
  const bool canceled = is_cancellation(failure);
  bool expected = false;
  bool first = false;
  {
    const spin_guard guard(s.waiters_.lock);
    expected = canceled && (s.stopped_ || child.home->draining());
    if (!expected && s.policy_ == on_exception::stop && s.first_ == nullptr) {
      s.first_ = failure;
      s.first_name_[child.name().copy(s.first_name_, sizeof s.first_name_ - 1)] = '\0';
      first = true;
    }
  }
  if (first) {
    stop(s);
  } else if (!expected && s.policy_ == on_exception::log) {
    with_message(failure, [&](const char* message) {
      log(log_level::error, "scope: fiber '%s' failed: %s", child.name().data(), message);
    });
  }
}

// ---- stops ----

bool scope_links::stop_wanted(const fiber_block& f, const scope_core* s, unsigned level) noexcept {
  for (; s != nullptr; s = s->outer_) {
    if (s->shields_ < level) return false;  // a shield lies between
    const spin_guard guard(s->waiters_.lock);
    if (s->stopped_) return true;
  }
  if (level != 0) return false;
  if (f.home->draining()) return true;
  if (!f.is_child) return false;
  const auto& parent = static_cast<const scope_core&>(*f.owner);
  const spin_guard guard(parent.waiters_.lock);
  return parent.stopped_;
}

/// Marks `s` and locks it; its first child, or nullptr if a shield keeps the stop of `root` away from it.
fiber_block* scope_links::stop_one(scope_core& s, const scope_core& root,
                                   fiber_list& woken) noexcept SENNIT_NO_ANALYSIS {  // the walk unlocks
  s.waiters_.lock.lock();
  if (s.shields_ > (s.owner_ == root.owner_ ? root.shields_ : 0)) return nullptr;
  s.stopped_ = true;
  if (&s == &root) woken.stop(*s.owner_);
  return s.children_;
}

/// Depth first over the scopes that the owner has opened inside `root`, `root` itself, their children, the children's
/// scopes. The path from the root stays locked, so that nobody on it can end; as the tree knows its way back up, the
/// walk needs no stack, however deep it is.
void scope_links::stop(scope_core& root) noexcept SENNIT_NO_ANALYSIS {
  fiber_list woken;
  root.owner_->scope_lock.lock();
  scope_core* s = root.owner_->innermost;
  fiber_block* child = stop_one(*s, root, woken);
  for (;;) {
    if (child != nullptr) {
      woken.stop(*child);
      child->scope_lock.lock();
      if (child->innermost != nullptr) {
        s = child->innermost;
        child = stop_one(*s, root, woken);
      } else {
        child->scope_lock.unlock();
        child = child->sibling_next;
      }
      continue;
    }
    scope_core* const left = s;
    if (left == &root) break;
    if (left->outer_ != nullptr) {
      s = left->outer_;
      left->waiters_.lock.unlock();
      child = stop_one(*s, root, woken);
    } else {
      fiber_block* const owner = left->owner_;
      s = static_cast<scope_core*>(owner->owner);
      left->waiters_.lock.unlock();
      owner->scope_lock.unlock();
      child = owner->sibling_next;
    }
  }
  fiber_block* const owner = root.owner_;
  root.waiters_.lock.unlock();
  owner->scope_lock.unlock();
  woken.ready_all();
}

}  // namespace sennit::inline v0::detail

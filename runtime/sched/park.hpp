#pragma once
// Parking and readying: the two verbs that every blocking operation is made of.
//
//   waiter& self = current_waiter();
//   q.lock.lock();
//   if (nothing to wait for) { q.lock.unlock(); return; }
//   wait_node node(self, 0);
//   q.push_back(node);
//   const auto woken_by = park(self, {.kind = wait_kind::event, .object = this, .held = &q.lock});   // releases it
//   if (woken_by != 0) { q.lock.lock(); q.remove(node); q.lock.unlock(); }            // timer or stop: still linked
//   throw_if_ambient(woken_by);
//
// The waker:  q.lock.lock(); waiter* w = q.claim_waiter(); q.lock.unlock(); if (w) ready(*w);
// With claim_front() it must read all that it needs of the node before ready(): afterwards that may be gone, and so may
// the queue.
#include <array>
#include <cstddef>
#include <span>

#include <sennit/detail/wait_queue.hpp>

#include "base/time.hpp"
#include "fiber/fiber_block.hpp"
#include "fiber/waiter.hpp"

namespace sennit::inline v0::detail {

/// A park that an ambient deadline ended (case_timeout is the plan's own).
inline constexpr std::uint16_t case_ambient_timeout = 0xfffc;

/// What a park waits for and what it must release once it can be woken. Lives on the waiter's stack.
struct park_plan {
  wait_kind kind = wait_kind::none;
  const void* object = nullptr;  // for dumps: what is waited for
  nanos deadline = never;
  bool ambient = true;  // an ambient cancellation point (design.md, section 3)
  /// Locks of the queues that hold this waiter's nodes: held by the caller, released by park() after the registers are
  /// saved, in this order. Nothing on the waiter's stack is read after the last one.
  spin_lock* held = nullptr;
  std::span<spin_lock* const> more_held = {};
};

/// The calling fiber, or the calling plain thread.
[[nodiscard]] waiter& current_waiter() noexcept;
/// The calling fiber; nullptr on a plain thread.
[[nodiscard]] fiber_block* current_fiber() noexcept;

/// Suspends the caller until a node of the current epoch is claimed, the deadline passes, or (if ambient) a stop or an
/// ambient deadline comes. Returns the winning node's case, case_timeout, case_stop or case_ambient_timeout. On one of
/// the last three the caller's nodes may still be linked: take each lock and remove them. CHECK: never inside a user
/// callback that must not park.
std::uint16_t park(waiter& self, const park_plan& plan) noexcept SENNIT_NO_ANALYSIS;

/// Makes a claimed waiter run: a fiber goes to a queue of its own runtime, a plain thread is woken. Any thread. The
/// caller must have won the claim; it may not touch the waiter, its nodes or the primitive afterwards.
void ready(waiter& claimed) noexcept;

/// Throws std::system_error for what an ambient stop or deadline ended: operation_canceled, error::deadline_passed.
void throw_if_ambient(std::uint16_t woken_by);

}  // namespace sennit::inline v0::detail

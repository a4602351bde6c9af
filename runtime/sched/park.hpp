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
//   throw_if_canceled(woken_by);
//
// The waker:  q.lock.lock(); waiter* w = q.claim_waiter(); q.lock.unlock(); if (w) ready(*w);
// With claim_front() it must read all that it needs of the node before ready(): afterwards that may be gone, and so may
// the queue.
#include <array>
#include <cstddef>
#include <span>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

#include "base/time.hpp"
#include "fiber/fiber_block.hpp"
#include "fiber/waiter.hpp"
#include "sched/current.hpp"

struct pollfd;

namespace sennit::inline v0::detail {

/// A park that an ambient deadline ended (case_timeout is the plan's own).
inline constexpr std::uint16_t case_ambient_timeout = 0xfffc;

/// A park_polling() that an event of a descriptor ended.
inline constexpr std::uint16_t case_polled = 0xfffa;

/// What a park waits for and what it must release once it can be woken. Lives on the waiter's stack.
struct park_plan {
  wait_kind kind = wait_kind::none;
  const void* object = nullptr;  // for dumps: what is waited for
  wait_bound until = {};
  bool in_the_future = false;  // the deadline is known not to have come: no look at the clock
  bool ambient = true;         // an ambient cancellation point (docs/design.md)
  /// Locks of the queues that hold this waiter's nodes: held by the caller, released by park() after the registers are
  /// saved, in this order. Nothing on the waiter's stack is read after the last one.
  spin_lock* held = nullptr;
  std::span<spin_lock* const> more_held = {};
};

/// The calling fiber; nullptr on a plain thread.
[[nodiscard]] fiber_block* current_fiber() noexcept;

/// Suspends the caller until a node of the current epoch is claimed, the deadline passes, the token is stopped, or (if
/// ambient) a stop or an ambient deadline comes. Returns the winning node's case, case_timeout, case_token, case_stop
/// or case_ambient_timeout; if one of these has come before the park, at once. On one of them the caller's nodes may
/// still be linked: take each lock and remove them.
std::uint16_t park(waiter& self, const park_plan& plan) noexcept SENNIT_NO_ANALYSIS;

/// The same for a plain thread that waits for descriptors too: by poll(2) in place of the futex. Returns case_polled if
/// one of `fds` has an event; the last of them is filled in here, with the thread's own flag, which must be there.
std::uint16_t park_polling(thread_waiter& self, const park_plan& plan,
                           std::span<pollfd> fds) noexcept SENNIT_NO_ANALYSIS;

/// Makes a claimed waiter run: a fiber goes to a queue of its own runtime, a plain thread is woken. Any thread. The
/// caller must have won the claim; it may not touch the waiter, its nodes or the primitive afterwards.
void ready(waiter& claimed) noexcept;

/// For a wait for a time that has come: it does not park, and a loop of such waits would keep the worker to itself. Now
/// and then yields.
void take_turns(waiter& self) noexcept;

/// Throws std::system_error for what a stop or an ambient deadline ended: operation_canceled, error::deadline_passed.
void throw_canceled(std::uint16_t woken_by);
inline void throw_if_canceled(std::uint16_t woken_by) {
  if (woken_by >= case_polled) [[unlikely]]  // all that is not the case of a node
    throw_canceled(woken_by);
}

}  // namespace sennit::inline v0::detail

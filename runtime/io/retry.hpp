#pragma once
// The retry loop: try the call if it may succeed, else park until an event says that it may. The one place that knows
// readiness; a completion backend would replace it.
#include <cerrno>
#include <cstddef>
#include <type_traits>

#include "poller/io_slot.hpp"
#include "sched/park.hpp"

namespace sennit::inline v0::detail {

/// What ended a perform(): a result of 0 or more, or one of these below zero next to -errno.
inline constexpr std::ptrdiff_t io_closed = -100'001;            // closed, before or while waiting
inline constexpr std::ptrdiff_t io_deadline = -100'002;          // the descriptor's own deadline, or `until`
inline constexpr std::ptrdiff_t io_ambient_deadline = -100'003;  // an enclosing scope's
inline constexpr std::ptrdiff_t io_stopped = -100'004;           // ambient stop, or the token's

/// The code for what ended a wait in place of its node.
[[nodiscard]] std::ptrdiff_t ended_by(std::uint16_t woken_by) noexcept;

/// The host of the caller's runtime, or the system. For libraries beside this one too.
[[nodiscard]] SENNIT_API host& current_host() noexcept;

/// Parks until `slot` may be ready in direction `d`, was closed, or `until` ends the wait: 0 (try again), or one of the
/// codes. `again` tells that this caller has waited before.
std::ptrdiff_t wait_ready(io_slot& slot, direction d, wait_bound until, bool again) noexcept;

/// Registers a descriptor of ours with `w`'s poller, if it is registered nowhere yet: 0 or more, or -errno.
int attach_to(worker& w, io_slot& slot) noexcept;

/// Counts one call in the caller's worker. Every 16th call of a fiber that did not have to wait lets others run first:
/// a descriptor that is always ready must not starve them, nor the poller.
void count_call(direction d) noexcept;

/// One operation on `slot`: `call(host)` returns a count, or -errno; -EAGAIN parks the caller and tries again. `asked`
/// is how many bytes a full result has (0: results are not counted in bytes): fewer may mean that the descriptor is
/// drained. `bound()` is asked before each wait what ends it. Any fiber or plain thread; in parallel with itself, also
/// in one direction, and with close().
template <class Bound, class Call>
  requires std::is_invocable_r_v<wait_bound, Bound>
std::ptrdiff_t perform(io_slot& slot, direction d, std::size_t asked, Bound&& bound, Call&& call) noexcept {
  host& outside = current_host();
  const bool open = slot.enter();
  bool waited = false;
  std::ptrdiff_t result = open ? -EAGAIN : io_closed;
  while (result == -EAGAIN) {
    // Loaded before the call: an event that comes during the call changes it, and is then not lost by clearing.
    const io_slot::word seen = slot.readiness(d);
    if (io_slot::is_ready(seen)) {
      count_call(d);
      do result = call(outside);
      while (result == -EINTR);
      if (result == -EAGAIN) {
        slot.exhausted(d, seen);
        continue;
      }
      if (result > 0 && static_cast<std::size_t>(result) < asked) slot.came_short(d, seen);
      break;
    }
    const std::ptrdiff_t ended = wait_ready(slot, d, bound(), waited);
    waited = true;
    if (ended != 0) {
      result = ended;
    } else if (!slot.is_open()) {
      result = io_closed;
    }
  }
  // Only one waiter is woken per event: what this operation left is the next one's.
  if (waiter* next = slot.pass_on(d)) ready(*next);
  slot.leave(outside);
  return result;
}

/// The same, bounded by the descriptor's own deadline and by a stop of `stop`.
template <class Call>
std::ptrdiff_t perform(io_slot& slot, direction d, std::size_t asked, const stop_token& stop, Call&& call) noexcept {
  return perform(slot, d, asked, [&] { return wait_bound{slot.deadline(), &stop}; }, call);
}

}  // namespace sennit::inline v0::detail

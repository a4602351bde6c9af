#include "io/retry.hpp"

#include <poll.h>

#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

wait_kind wait_kind_of(direction d) noexcept { return d == direction::read ? wait_kind::read : wait_kind::write; }

/// A plain thread: poll(2) on the descriptor and on its own flag, which close() raises through ready().
std::ptrdiff_t wait_on_thread(io_slot& slot, direction d, wait_bound until, bool again) noexcept SENNIT_NO_ANALYSIS {
  thread_waiter& self = this_thread_waiter();
  if (self.wake_fd() < 0) return -EMFILE;
  wait_node node(self, 0);
  if (!slot.prepare_wait(d, node, again)) return 0;
  pollfd fds[2] = {{slot.fd(), static_cast<short>(d == direction::read ? POLLIN : POLLOUT), 0}};
  const auto woken_by =
      park_polling(self, {.kind = wait_kind_of(d), .object = &slot, .until = until, .held = &slot.lock_of(d)}, fds);
  if (woken_by == 0) return 0;
  slot.cancel_wait(d, node);
  if (woken_by == case_polled) slot.hint(d);
  return ended_by(woken_by);
}

}  // namespace

std::ptrdiff_t ended_by(std::uint16_t woken_by) noexcept {
  switch (woken_by) {
    case case_polled: return 0;
    case case_timeout: return io_deadline;
    case case_ambient_timeout: return io_ambient_deadline;
    default: return io_stopped;
  }
}

host& current_host() noexcept {
  worker* w = this_worker();
  return w != nullptr ? w->home.outside() : system_host();
}

void count_call(direction d) noexcept {
  worker* w = this_worker();
  if (w == nullptr) return;
  (d == direction::read ? w->counters.reads : w->counters.writes).add();
  take_turns(*w->running());  // 16 calls, some 20 us of system calls: next to that a yield costs nothing
}

int attach_to(worker& w, io_slot& slot) noexcept {
  if (slot.attached()) return 0;
  // What was ready before the registration is reported by it: no second look is needed.
  const int added = slot.attach(w.poll);
  if (added == 1) w.counters.registrations.add();
  return added;
}

std::ptrdiff_t wait_ready(io_slot& slot, direction d, wait_bound until, bool again) noexcept {
  worker* w = this_worker();
  if (w == nullptr) return wait_on_thread(slot, d, until, again);
  if (const int added = attach_to(*w, slot); added < 0) return added;
  fiber_block& self = *w->running();
  wait_node node(self, 0);
  if (!slot.prepare_wait(d, node, again)) return 0;
  const auto woken_by =
      park(self, {.kind = wait_kind_of(d), .object = &slot, .until = until, .held = &slot.lock_of(d)});
  self.yields = 0;  // it has waited: a new turn
  if (woken_by == 0) return 0;
  slot.cancel_wait(d, node);
  return ended_by(woken_by);
}

}  // namespace sennit::inline v0::detail

#include "io/retry.hpp"

#include <poll.h>

#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::uint8_t calls_per_turn = 16;  // some 20 us of system calls: next to that a yield costs nothing

/// A plain thread: poll(2) on the descriptor and on its own eventfd, which close() writes through ready().
std::ptrdiff_t wait_on_thread(io_slot& slot, direction d, nanos until, bool again) noexcept SENNIT_NO_ANALYSIS {
  thread_waiter& self = this_thread_waiter();
  const int wake_fd = self.wake_fd();
  if (wake_fd < 0) return -EMFILE;
  wait_node node(self, 0);
  if (!slot.prepare_wait(d, node, again)) return 0;
  self.polling.store(true, release);  // mm:thread-polling
  const std::uint32_t epoch = self.state.epoch();
  static_cast<void>(self.state.publish(false));
  slot.lock_of(d).unlock();
  host& outside = current_host();
  pollfd fds[2] = {{slot.fd(), static_cast<short>(d == direction::read ? POLLIN : POLLOUT), 0}, {wake_fd, POLLIN, 0}};
  int got = 0;
  do got = outside.poll(fds, 2, until);
  while (got == -EINTR);
  const bool mine = self.state.claim(epoch, case_timeout);
  // Somebody else won: its last access must be over before the eventfd or the node may be used again.
  while (!mine && !self.state.is_thread_ready()) cpu_pause();
  self.polling.store(false, release);  // mm:thread-polling
  if (mine) {
    slot.cancel_wait(d, node);
  } else {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto drained = outside.read(wake_fd, &count, sizeof count);
  }
  if (mine && got == 0) return io_deadline;
  if (fds[0].revents != 0) slot.hint(d);
  return 0;
}

}  // namespace

host& current_host() noexcept {
  worker* w = this_worker();
  return w != nullptr ? w->home.outside() : system_host();
}

void count_call(direction d) noexcept {
  worker* w = this_worker();
  if (w == nullptr) return;
  (d == direction::read ? w->counters.reads : w->counters.writes).add();
  fiber_block& self = *w->running();
  if (++self.yields < calls_per_turn) return;
  self.yields = 0;
  w->yield(self);
}

std::ptrdiff_t wait_ready(io_slot& slot, direction d, nanos until, bool again) noexcept {
  worker* w = this_worker();
  if (w == nullptr) return wait_on_thread(slot, d, until, again);
  if (!slot.attached()) {
    const int added = slot.attach(w->poll);
    if (added < 0) return added;
    if (added == 1) {
      w->counters.registrations.add();
      // What was ready before the registration is reported by it: no second look is needed.
    }
  }
  fiber_block& self = *w->running();
  wait_node node(self, 0);
  if (!slot.prepare_wait(d, node, again)) return 0;
  const auto woken_by = park(self, {.kind = d == direction::read ? wait_kind::read : wait_kind::write,
                                    .object = &slot,
                                    .deadline = until,
                                    .held = &slot.lock_of(d)});
  self.yields = 0;  // it has waited: a new turn
  if (woken_by == 0) return 0;
  slot.cancel_wait(d, node);
  switch (woken_by) {
    case case_timeout: return io_deadline;
    case case_ambient_timeout: return io_ambient_deadline;
    default: return io_stopped;
  }
}

}  // namespace sennit::inline v0::detail

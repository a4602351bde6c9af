// Waiting for foreign descriptors: ONESHOT, deleted when the wait ends, no flags touched (hazard 28).
#include <poll.h>

#include <sennit/io.hpp>

#include "io/error_code.hpp"
#include "io/foreign_fd.hpp"
#include "io/retry.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {
namespace detail {
namespace {

std::ptrdiff_t wait_on_thread(int fd, direction d, wait_bound until) noexcept {
  thread_waiter& self = this_thread_waiter();
  if (self.wake_fd() < 0) return -EMFILE;
  pollfd fds[2] = {{fd, static_cast<short>(d == direction::read ? POLLIN : POLLOUT), 0}};
  const auto woken_by = park_polling(self, {.kind = wait_kind::descriptor, .until = until}, fds);
  return (fds[0].revents & POLLNVAL) != 0 ? -EBADF : ended_by(woken_by);
}

std::ptrdiff_t wait_on_fiber(worker& w, int fd, direction d, wait_bound until) noexcept {
  io_slot* slot = nullptr;
  int twin = -1;
  std::ptrdiff_t result = open_foreign(w, fd, d, slot, twin);
  if (result == 0) result = wait_ready(*slot, d, until, false);
  close_foreign(slot, twin);
  return result;
}

bool wait_fd(int fd, direction d, wait_bound until) {
  worker* w = this_worker();
  const std::ptrdiff_t result = w != nullptr ? wait_on_fiber(*w, fd, d, until) : wait_on_thread(fd, d, until);
  if (result == -EPERM) return true;  // regular files are always ready
  if (result == io_deadline) return false;
  std::error_code ec;
  settle(result, ec);
  throw_if(ec, "sennit: waiting for a descriptor");
  return true;
}

}  // namespace
}  // namespace detail

bool detail::wait_readable(int fd, wait_bound until) { return wait_fd(fd, direction::read, until); }
bool detail::wait_writable(int fd, wait_bound until) { return wait_fd(fd, direction::write, until); }

}  // namespace sennit::inline v0

// Waiting for foreign descriptors: ONESHOT, deleted when the wait ends, no flags touched (hazard 28).
#include <fcntl.h>
#include <poll.h>

#include <sennit/io.hpp>

#include "base/unique_fd.hpp"
#include "io/error_code.hpp"
#include "io/retry.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {
namespace detail {
namespace {

std::ptrdiff_t wait_on_thread(int fd, direction d, nanos until) noexcept {
  pollfd p{fd, static_cast<short>(d == direction::read ? POLLIN : POLLOUT), 0};
  int got = 0;
  do got = current_host().poll(&p, 1, until);
  while (got == -EINTR);
  if (got > 0 && (p.revents & POLLNVAL) != 0) return -EBADF;
  return got == 0 ? io_deadline : got > 0 ? 0 : got;
}

std::ptrdiff_t wait_on_fiber(worker& w, int fd, direction d, nanos until) noexcept {
  host& outside = w.home.outside();
  io_slot* slot = io_slot::open(fd, fd_kind::other, true);
  if (slot == nullptr) return -ENOMEM;
  const interest what = d == direction::read ? interest::readable : interest::writable;
  static_cast<void>(slot->enter());        // nobody else knows it: it is open
  slot->exhausted(d, slot->readiness(d));  // nothing was tried: only the event counts
  std::ptrdiff_t result = slot->attach(w.poll, what, trigger::oneshot);
  if (result >= 0) {
    w.counters.registrations.add();
    result = wait_ready(*slot, d, until, false);
  }
  slot->leave(outside);
  slot->release(outside, ready);
  slot->drop(outside, ready);
  return result;
}

bool wait_fd(int fd, direction d, nanos until) {
  worker* w = this_worker();
  std::ptrdiff_t result = 0;
  if (w == nullptr) {
    result = wait_on_thread(fd, d, until);
  } else {
    result = wait_on_fiber(*w, fd, d, until);
    if (result == -EEXIST) {
      // Another fiber waits for it on this poller: a second descriptor of the same open file is a registration of its
      // own.
      const unique_fd twin(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (twin) result = wait_on_fiber(*this_worker(), twin.get(), d, until);
    }
  }
  if (result == -EPERM) return true;  // regular files are always ready
  if (result == io_deadline) return false;
  std::error_code ec;
  settle(result, ec);
  throw_if(ec, "sennit: waiting for a descriptor");
  return true;
}

}  // namespace
}  // namespace detail

void wait_readable(int fd) { detail::wait_fd(fd, detail::direction::read, detail::never); }
void wait_writable(int fd) { detail::wait_fd(fd, detail::direction::write, detail::never); }
bool wait_readable_until(int fd, std::chrono::steady_clock::time_point t) {
  return detail::wait_fd(fd, detail::direction::read, detail::to_nanos(t));
}
bool wait_writable_until(int fd, std::chrono::steady_clock::time_point t) {
  return detail::wait_fd(fd, detail::direction::write, detail::to_nanos(t));
}

}  // namespace sennit::inline v0

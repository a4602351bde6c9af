#include <poll.h>

#include <sennit/io.hpp>

#include "io/error_code.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0 {

using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

fd_guard::fd_guard(int fd) {
  pollfd looked{fd, 0, 0};
  if (fd < 0 || (current_host().poll(&looked, 1, 0) >= 0 && looked.revents == POLLNVAL))
    throw_if(std::make_error_code(std::errc::bad_file_descriptor), "sennit: fd_guard");
  io_slot* const slot = io_slot::open(fd, fd_kind::other, true);
  if (slot == nullptr) throw_if(std::make_error_code(std::errc::not_enough_memory), "sennit: fd_guard");
  handle_ = io_handle(slot);
}

// As perform(), for the deadline of one wait. The owner reads and writes without a word to us, so that an event may be
// about what is gone: poll(2) says what is.
bool fd_guard::wait(bool writes, wait_bound until) {
  const direction d = writes ? direction::write : direction::read;
  std::ptrdiff_t result = io_closed;
  if (io_slot* const slot = handle_.slot(); slot != nullptr) {
    host& outside = current_host();
    if (slot->enter()) result = -EAGAIN;
    for (bool waited = false; result == -EAGAIN; waited = true) {
      const io_slot::word seen = slot->readiness(d);
      if (io_slot::is_ready(seen)) {
        pollfd p{slot->fd(), static_cast<short>(writes ? POLLOUT : POLLIN), 0};
        do result = outside.poll(&p, 1, 0);
        while (result == -EINTR);
        if ((p.revents & POLLNVAL) != 0) result = -EBADF;
        if (result != 0) break;
        slot->exhausted(d, seen);
      }
      result = wait_ready(*slot, d, until, waited);
      if (result == 0) result = slot->is_open() ? -EAGAIN : io_closed;
    }
    if (waiter* next = slot->pass_on(d)) ready(*next);
    slot->leave(outside);
  }
  if (result == io_deadline) return false;
  std::error_code ec;
  settle(result, ec);
  throw_if(ec, "sennit: fd_guard");
  return true;
}

}  // namespace sennit::inline v0

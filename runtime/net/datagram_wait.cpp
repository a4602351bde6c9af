#include "net/datagram_wait.hpp"

#include <poll.h>

#include <algorithm>

namespace sennit::inline v0::detail {

std::ptrdiff_t wait_for_receiver(const io_handle& handle, const socket_address& to, const stop_token& stop) noexcept {
  // A socket that is connected to the receiver is told. This one is never written to, so its own buffer is never full.
  host& outside = current_host();
  const int fd = outside.socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return fd;
  std::error_code none;
  const io_handle probe = make_handle(fd, fd_kind::other, false, none);
  if (probe.slot() == nullptr) return -ENOMEM;
  if (const int r = outside.connect(fd, address_access::raw(to), address_access::size(to)); r < 0) return r;
  pollfd writable[] = {{fd, POLLOUT, 0}, {handle.slot()->fd(), POLLOUT, 0}};
  if (const int r = outside.poll(writable, std::size(writable), 0); r < 0 && r != -EINTR) return r;
  if (writable[0].revents != 0) return writable[1].revents != 0 ? io_receiver_full : -EAGAIN;

  io_slot& slot = *probe.slot();
  slot.exhausted(direction::write, slot.readiness(direction::write));  // only the event tells
  const nanos deadline = handle.slot()->deadline();
  const nanos until = std::min(deadline, add_nanos(clock_now(), 10'000'000));
  const std::ptrdiff_t ended = wait_ready(slot, direction::write, {until, &stop}, false);
  if (!handle.is_open()) return io_closed;
  return ended == 0 || (ended == io_deadline && until != deadline) ? io_receiver_full : ended;
}

}  // namespace sennit::inline v0::detail

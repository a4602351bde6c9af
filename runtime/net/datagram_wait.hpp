#pragma once
// Sending to a Unix datagram socket whose queue is full. The kernel refuses with EAGAIN, as it does when the sender's
// own buffer is full, but announces room only to sockets that are connected to the receiver: an edge for an unconnected
// sender would never come.
#include <sennit/socket_address.hpp>

#include "net/raw_address.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0::detail {

/// A call that was refused because of the receiver; below the codes of retry.hpp.
inline constexpr std::ptrdiff_t io_receiver_full = -100'010;

/// After an EAGAIN of a message to `to`: is it `to` that has no room? Waits until it may have, for at most 10 ms at a
/// time, so that a close of `handle` is noticed: io_receiver_full (try again). Else -EAGAIN: the sender's own buffer is
/// full, an event will tell. Other codes end the operation.
std::ptrdiff_t wait_for_receiver(const io_handle& handle, const socket_address& to, const stop_token& stop) noexcept;

/// perform() for a call that sends to `to` (empty: to the connected peer).
template <class Call>
std::ptrdiff_t perform_send(const io_handle& handle, const socket_address& to, const stop_token& stop,
                            Call&& call) noexcept {
  const bool unannounced = !to.empty() && address_access::raw(to)->sa_family == AF_UNIX;
  for (;;) {
    const auto result = perform(handle, direction::write, 0, stop, [&](host& h) -> std::ptrdiff_t {
      const std::ptrdiff_t r = call(h);
      return r == -EAGAIN && unannounced ? wait_for_receiver(handle, to, stop) : r;
    });
    if (result != io_receiver_full) return result;
  }
}

}  // namespace sennit::inline v0::detail

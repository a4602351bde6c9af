#pragma once
// UDP in blocking style: a call that cannot go on parks the fiber (on a plain thread: blocks the thread).
#include <string>

#include <sennit/detail/datagram_socket.hpp>

namespace sennit::inline v0 {

/// A UDP socket, IPv4 or IPv6; detail::datagram_socket says how it sends and receives.
class udp_socket : public detail::datagram_socket {
 public:
  struct options {
    bool reuse_address = false;  ///< several sockets of one user may bind the same multicast address and port
    bool reuse_port = false;     ///< several sockets share the port; the kernel spreads the senders over them
    bool v6_only = false;        ///< on an IPv6 address: no IPv4 senders
  };

  udp_socket() noexcept = default;

  /// A socket that receives at `at`, which is numeric; port 0: any free one, which also suits who only sends. Throws
  /// std::system_error with the endpoint in its message: address_in_use, permission_denied, ...
  static udp_socket bind(const endpoint& at) { return bind(at, options{}); }
  SENNIT_API static udp_socket bind(const endpoint& at, options opts);
  SENNIT_API static udp_socket bind(const endpoint& at, options opts, std::error_code& ec);

  /// A socket for one peer: it sends to `to` and receives from there only. Names are resolved by the system's resolver
  /// on a helper thread; the first of their addresses that can be reached by a route is taken. Nothing is sent.
  SENNIT_API static udp_socket connect(const endpoint& to, const stop_token& stop = {});
  SENNIT_API static udp_socket connect(const endpoint& to, std::error_code& ec, const stop_token& stop = {});
  /// The same for a socket that is bound; `to` is numeric.
  SENNIT_API void set_peer(const endpoint& to);
  SENNIT_API void set_peer(const endpoint& to, std::error_code& ec);

  /// Receives what is sent to the multicast address of `group` (its port means nothing), on the interface of that name,
  /// or on the one that the routes choose. These and what follows throw std::system_error: invalid_argument for an
  /// address that is no group, no_such_device, address_not_available for a group that was not joined.
  SENNIT_API void join_group(const endpoint& group, const std::string& interface = {});
  SENNIT_API void leave_group(const endpoint& group, const std::string& interface = {});
  /// How messages to groups are sent: on which interface, over how many routers (1: none), and whether sockets of this
  /// machine get them too (on unless turned off).
  SENNIT_API void set_multicast_interface(const std::string& interface);
  SENNIT_API void set_multicast_hops(int hops);
  SENNIT_API void set_multicast_loop(bool on);
  /// Sending to a broadcast address is refused with permission_denied unless this is on.
  SENNIT_API void set_broadcast(bool on);

  /// Adopts a UDP socket, which it makes non-blocking and owns from then on. Throws on a bad descriptor.
  SENNIT_API static udp_socket adopt(int fd);

 private:
  explicit udp_socket(detail::io_handle handle) noexcept : datagram_socket(std::move(handle)) {}
};

}  // namespace sennit::inline v0

#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <vector>

#include <sennit/blocking.hpp>
#include <sennit/udp.hpp>

#include "net/address.hpp"
#include "net/raw_address.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0 {

using detail::address_access;
using detail::current_host;
using detail::io_handle;

namespace {

io_handle make_udp(int family, std::error_code& ec) noexcept {
  const int fd = current_host().socket(family, SOCK_DGRAM, 0);
  if (fd >= 0) return detail::make_handle(fd, detail::fd_kind::other, false, ec);
  ec = detail::host_error(fd);
  return {};
}

std::error_code connect_to(const io_handle& handle, const sockaddr* address, socklen_t size) noexcept {
  const int fd = handle.native();
  int result = -EBADF;
  if (fd >= 0) {
    do result = current_host().connect(fd, address, size);
    while (result == -EINTR);
  }
  return result < 0 ? detail::host_error(result) : std::error_code();
}

/// Is it an IPv6 socket? Options of multicast have a level for each family.
bool is_ipv6(const io_handle& handle) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  const int fd = handle.native();
  const int result = fd < 0 ? -EBADF : current_host().getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
  if (result < 0) detail::throw_if(detail::host_error(result), "sennit: udp_socket");
  return own.ss_family == AF_INET6;
}

/// The number of the interface of that name; 0, the system's choice, for no name.
unsigned interface_number(const std::string& name) {
  if (name.empty()) return 0;
  const unsigned number = ::if_nametoindex(name.c_str());
  if (number == 0) {
    detail::throw_if(std::make_error_code(std::errc::no_such_device), ("sennit: interface " + name).c_str());
  }
  return number;
}

void change_membership(const io_handle& handle, int option, const endpoint& group, const std::string& interface) {
  const socket_address address(group);
  const int family = address_access::raw(address)->sa_family;
  group_req request{};
  request.gr_interface = interface_number(interface);
  std::memcpy(&request.gr_group, address_access::raw(address), address_access::size(address));
  const int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const int fd = handle.native();
  const int result = fd < 0 ? -EBADF
                     : family != AF_INET && family != AF_INET6
                         ? -EAFNOSUPPORT
                         : current_host().setsockopt(fd, level, option, &request, sizeof request);
  if (result < 0) {
    const char* const what = option == MCAST_JOIN_GROUP ? "sennit: join_group " : "sennit: leave_group ";
    detail::throw_if(detail::host_error(result), (what + group.host()).c_str());
  }
}

}  // namespace

udp_socket udp_socket::bind(const endpoint& at, options opts, std::error_code& ec) {
  const socket_address address = socket_address::of(at, ec);
  if (ec) return {};
  const int family = address_access::raw(address)->sa_family;
  if (family == AF_UNIX) {
    ec = std::make_error_code(std::errc::address_family_not_supported);
    return {};
  }
  io_handle handle = make_udp(family, ec);
  if (!ec && opts.reuse_address) ec = detail::set_option(handle, SOL_SOCKET, SO_REUSEADDR, 1);
  if (!ec && opts.reuse_port) ec = detail::set_option(handle, SOL_SOCKET, SO_REUSEPORT, 1);
  if (!ec && family == AF_INET6) ec = detail::set_option(handle, IPPROTO_IPV6, IPV6_V6ONLY, opts.v6_only ? 1 : 0);
  if (ec) return {};
  const int result = current_host().bind(handle.native(), address_access::raw(address), address_access::size(address));
  if (result == 0) return udp_socket(std::move(handle));
  ec = detail::host_error(result);
  return {};
}

udp_socket udp_socket::bind(const endpoint& at, options opts) {
  std::error_code ec;
  udp_socket s = bind(at, opts, ec);
  if (ec) detail::throw_if(ec, ("sennit: bind to " + at.to_string()).c_str());
  return s;
}

udp_socket udp_socket::connect(const endpoint& to, std::error_code& ec, const stop_token& stop) {
  std::vector<sockaddr_storage> addresses;
  if (to.kind() == endpoint::family::name) {
    // The system's resolver blocks: not on a worker.
    ec = blocking([&] { return detail::resolve_blocking(to, addresses); }, stop);
  } else {
    ec = detail::resolve_blocking(to, addresses);
  }
  if (ec) return {};
  for (const auto& address : addresses) {
    io_handle handle = make_udp(address.ss_family, ec);
    if (!ec) ec = connect_to(handle, reinterpret_cast<const sockaddr*>(&address), detail::sockaddr_size(address));
    if (!ec) return udp_socket(std::move(handle));
  }
  return {};
}

udp_socket udp_socket::connect(const endpoint& to, const stop_token& stop) {
  std::error_code ec;
  udp_socket s = connect(to, ec, stop);
  if (ec) detail::throw_if(ec, ("sennit: connect to " + to.to_string()).c_str());
  return s;
}

void udp_socket::set_peer(const endpoint& to, std::error_code& ec) {
  const socket_address address = socket_address::of(to, ec);
  if (!ec) ec = connect_to(handle_, address_access::raw(address), address_access::size(address));
}

void udp_socket::set_peer(const endpoint& to) {
  std::error_code ec;
  set_peer(to, ec);
  if (ec) detail::throw_if(ec, ("sennit: connect to " + to.to_string()).c_str());
}

void udp_socket::join_group(const endpoint& group, const std::string& interface) {
  change_membership(handle_, MCAST_JOIN_GROUP, group, interface);
}

void udp_socket::leave_group(const endpoint& group, const std::string& interface) {
  change_membership(handle_, MCAST_LEAVE_GROUP, group, interface);
}

void udp_socket::set_multicast_interface(const std::string& interface) {
  const bool v6 = is_ipv6(handle_);
  ip_mreqn request{};
  request.imr_ifindex = static_cast<int>(interface_number(interface));
  const int result =
      v6 ? current_host().setsockopt(handle_.native(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &request.imr_ifindex,
                                     sizeof(int))
         : current_host().setsockopt(handle_.native(), IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
  if (result < 0) detail::throw_if(detail::host_error(result), "sennit: set_multicast_interface");
}

void udp_socket::set_multicast_hops(int hops) {
  const auto ec = is_ipv6(handle_) ? detail::set_option(handle_, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops)
                                   : detail::set_option(handle_, IPPROTO_IP, IP_MULTICAST_TTL, hops);
  detail::throw_if(ec, "sennit: set_multicast_hops");
}

void udp_socket::set_multicast_loop(bool on) {
  const auto ec = is_ipv6(handle_) ? detail::set_option(handle_, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, on ? 1 : 0)
                                   : detail::set_option(handle_, IPPROTO_IP, IP_MULTICAST_LOOP, on ? 1 : 0);
  detail::throw_if(ec, "sennit: set_multicast_loop");
}

void udp_socket::set_broadcast(bool on) {
  detail::throw_if(detail::set_option(handle_, SOL_SOCKET, SO_BROADCAST, on ? 1 : 0), "sennit: set_broadcast");
}

udp_socket udp_socket::adopt(int fd) {
  return udp_socket(detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: udp_socket::adopt"));
}

}  // namespace sennit::inline v0

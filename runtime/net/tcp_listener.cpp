#include <netinet/in.h>
#include <netinet/tcp.h>

#include <vector>

#include <sennit/blocking.hpp>
#include <sennit/tcp.hpp>

#include "net/acceptor.hpp"
#include "net/address.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0 {

using detail::current_host;
using detail::host;

namespace {

detail::io_handle listen_at(const sockaddr_storage& address, const tcp_listener::options& opts, std::error_code& ec) {
  host& outside = current_host();
  const int fd = outside.socket(address.ss_family, SOCK_STREAM, 0);
  if (fd < 0) {
    ec = detail::host_error(fd);
    return {};
  }
  // A listener is no stream: only EAGAIN says that its backlog is empty.
  detail::io_handle handle = detail::make_handle(fd, detail::fd_kind::other, false, ec);
  if (ec) return {};
  ec = detail::set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (!ec && address.ss_family == AF_INET6)
    ec = detail::set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, opts.v6_only ? 1 : 0);
  if (!ec && opts.reuse_port) ec = detail::set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (ec) return {};
  int result = outside.bind(fd, reinterpret_cast<const sockaddr*>(&address), detail::sockaddr_size(address));
  if (result == 0) result = outside.listen(fd, opts.backlog);
  if (result < 0) {
    ec = detail::host_error(result);
    return {};
  }
  return handle;
}

}  // namespace

tcp_listener tcp_listener::bind(const endpoint& at, options opts, std::error_code& ec) {
  std::vector<sockaddr_storage> addresses;
  if (at.kind() == endpoint::family::name) {
    ec = blocking([&] { return detail::resolve_blocking(at, addresses); });
  } else {
    ec = detail::resolve_blocking(at, addresses);
  }
  if (ec) return {};
  return tcp_listener(listen_at(addresses.front(), opts, ec));
}

tcp_listener tcp_listener::bind(const endpoint& at, options opts) {
  std::error_code ec;
  tcp_listener l = bind(at, opts, ec);
  if (ec) detail::throw_if(ec, ("sennit: listen at " + at.to_string()).c_str());
  return l;
}

tcp_listener tcp_listener::adopt(int fd) {
  return tcp_listener(detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: tcp_listener::adopt"));
}

tcp_stream tcp_listener::accept(std::error_code& ec, const stop_token& stop) {
  const int fd = detail::accept_connection(handle_, ec, stop);
  if (ec) return {};
  static_cast<void>(detail::set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));  // a reset may have come first
  return tcp_stream(detail::make_handle(fd, detail::fd_kind::stream_tcp, false, ec));
}

tcp_stream tcp_listener::accept(const stop_token& stop) {
  std::error_code ec;
  tcp_stream s = accept(ec, stop);
  detail::throw_if(ec, "sennit: tcp_listener::accept");
  return s;
}

endpoint tcp_listener::local_endpoint() const { return detail::name_of(handle_, false); }

}  // namespace sennit::inline v0

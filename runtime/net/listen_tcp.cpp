#include "net/listen_tcp.hpp"

#include <netinet/in.h>

#include <cstring>

#include <sennit/blocking.hpp>

#include "net/address.hpp"

namespace sennit::inline v0::detail {
namespace {

/// SO_REUSEPORT: not at all; so that others may have the port too; or so that those that we bind later may.
enum class port_use : std::uint8_t { alone, with_others, with_ours };

sockaddr_storage first_address(const endpoint& at, std::error_code& ec) {
  std::vector<sockaddr_storage> addresses;
  if (at.kind() == endpoint::family::name) {
    ec = blocking([&] { return resolve_blocking(at, addresses); });
  } else {
    ec = resolve_blocking(at, addresses);
  }
  return ec ? sockaddr_storage{} : addresses.front();
}

io_handle listen_at(const sockaddr_storage& address, const tcp_listener::options& opts, port_use use,
                    std::error_code& ec) {
  host& outside = current_host();
  const int fd = outside.socket(address.ss_family, SOCK_STREAM, 0);
  if (fd < 0) {
    ec = host_error(fd);
    return {};
  }
  // A listener is no stream: only EAGAIN says that its backlog is empty.
  io_handle handle = make_handle(fd, fd_kind::other, false, ec);
  if (ec) return {};
  ec = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (!ec && address.ss_family == AF_INET6) ec = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, opts.v6_only ? 1 : 0);
  if (!ec && use == port_use::with_others) ec = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (ec) return {};
  if (const int result = outside.bind(fd, reinterpret_cast<const sockaddr*>(&address), sockaddr_size(address));
      result < 0) {
    ec = host_error(result);
    return {};
  }
  // Bound without the option, so that a port which somebody has was an error; with it from now on, so that the next one
  // may join. It must be there when the socket begins to listen.
  if (use == port_use::with_ours) ec = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (ec) return {};
  if (const int result = outside.listen(fd, opts.backlog); result < 0) {
    ec = host_error(result);
    return {};
  }
  return handle;
}

}  // namespace

std::vector<io_handle> listen_tcp(const endpoint& at, const tcp_listener::options& opts, std::size_t count,
                                  std::error_code& ec) {
  sockaddr_storage address = first_address(at, ec);
  if (ec) return {};
  const port_use use = opts.reuse_port ? port_use::with_others : count > 1 ? port_use::with_ours : port_use::alone;
  std::vector<io_handle> all;
  all.push_back(listen_at(address, opts, use, ec));
  if (ec || count == 1) return all;
  socklen_t size = sizeof address;  // the port, if it was to be any
  if (const int result = current_host().getsockname(all.front().native(), reinterpret_cast<sockaddr*>(&address), &size);
      result < 0)
    ec = host_error(result);
  while (!ec && all.size() < count) all.push_back(listen_at(address, opts, port_use::with_others, ec));
  return all;
}

}  // namespace sennit::inline v0::detail

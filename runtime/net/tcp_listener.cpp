#include <netinet/in.h>
#include <netinet/tcp.h>

#include <sennit/tcp.hpp>

#include "net/acceptor.hpp"
#include "net/listen_tcp.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0 {

tcp_listener tcp_listener::bind(const endpoint& at, options opts, std::error_code& ec) {
  std::vector<detail::io_handle> one = detail::listen_tcp(at, opts, 1, ec);
  return ec ? tcp_listener() : tcp_listener(std::move(one.front()));
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

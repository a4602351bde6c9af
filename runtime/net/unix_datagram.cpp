#include <sys/socket.h>

#include <sennit/unix.hpp>

#include "io/error_code.hpp"
#include "net/rights.hpp"
#include "net/unix_socket.hpp"

namespace sennit::inline v0 {

unix_datagram unix_datagram::bind(const endpoint& at, std::error_code& ec) {
  detail::io_handle handle = detail::make_unix(SOCK_DGRAM, ec);
  if (!ec) ec = detail::bind_unix(handle, at);
  return ec ? unix_datagram() : unix_datagram(std::move(handle));
}

unix_datagram unix_datagram::bind(const endpoint& at) {
  std::error_code ec;
  unix_datagram s = bind(at, ec);
  detail::throw_at(ec, "bind to", at);
  return s;
}

unix_datagram unix_datagram::open() {
  std::error_code ec;
  detail::io_handle handle = detail::make_unix(SOCK_DGRAM, ec);
  detail::throw_if(ec, "sennit: unix_datagram::open");
  return unix_datagram(std::move(handle));
}

unix_datagram unix_datagram::connect(const endpoint& to, std::error_code& ec) {
  detail::io_handle handle = detail::make_unix(SOCK_DGRAM, ec);
  if (!ec) ec = detail::connect_once(handle, to);
  return ec ? unix_datagram() : unix_datagram(std::move(handle));
}

unix_datagram unix_datagram::connect(const endpoint& to) {
  std::error_code ec;
  unix_datagram s = connect(to, ec);
  detail::throw_at(ec, "connect to", to);
  return s;
}

void unix_datagram::set_peer(const endpoint& to, std::error_code& ec) noexcept {
  ec = detail::connect_once(handle_, to);
}

void unix_datagram::set_peer(const endpoint& to) {
  std::error_code ec;
  set_peer(to, ec);
  detail::throw_at(ec, "connect to", to);
}

std::pair<unix_datagram, unix_datagram> unix_datagram::pair() {
  auto [a, b] = detail::make_unix_pair(SOCK_DGRAM, "sennit: unix_datagram::pair");
  return {unix_datagram(std::move(a)), unix_datagram(std::move(b))};
}

void unix_datagram::send_descriptors(std::span<const int> fds, const_buffer message, std::error_code& ec,
                                     const stop_token& stop) {
  detail::settle(detail::send_rights(handle_, fds, message, stop), ec);
}

void unix_datagram::send_descriptors(std::span<const int> fds, const_buffer message, const stop_token& stop) {
  detail::or_throw(handle_, "send_descriptors", [&](std::error_code& ec) { send_descriptors(fds, message, ec, stop); });
}

received unix_datagram::receive_descriptors(std::vector<descriptor>& fds, buffer into, std::error_code& ec,
                                            const stop_token& stop) {
  return detail::receive_rights(handle_, fds, into, ec, stop);
}

received unix_datagram::receive_descriptors(std::vector<descriptor>& fds, buffer into, const stop_token& stop) {
  return detail::or_throw(handle_, "receive_descriptors",
                          [&](std::error_code& ec) { return receive_descriptors(fds, into, ec, stop); });
}

unix_datagram unix_datagram::adopt(int fd) {
  return unix_datagram(detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: unix_datagram::adopt"));
}

}  // namespace sennit::inline v0

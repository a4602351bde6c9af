#include <sys/socket.h>

#include <sennit/unix.hpp>

#include "io/error_code.hpp"
#include "net/rights.hpp"
#include "net/unix_socket.hpp"

namespace sennit::inline v0 {

using detail::direction;
using detail::host;

unix_seqpacket unix_seqpacket::connect_before(const endpoint& to, detail::wait_bound until, std::error_code& ec) {
  return unix_seqpacket(detail::connect_unix(SOCK_SEQPACKET, to, until, ec));
}

unix_seqpacket unix_seqpacket::connect(const endpoint& to, const stop_token& stop) {
  std::error_code ec;
  unix_seqpacket s = connect(to, ec, stop);
  detail::throw_at(ec, "connect to", to);
  return s;
}

std::pair<unix_seqpacket, unix_seqpacket> unix_seqpacket::pair() {
  auto [a, b] = detail::make_unix_pair(SOCK_SEQPACKET, "sennit: unix_seqpacket::pair");
  return {unix_seqpacket(std::move(a)), unix_seqpacket(std::move(b))};
}

void unix_seqpacket::send(const_buffer message, std::error_code& ec, const stop_token& stop) {
  send_descriptors({}, message, ec, stop);
}

void unix_seqpacket::send_descriptors(std::span<const int> fds, const_buffer message, std::error_code& ec,
                                      const stop_token& stop) {
  detail::settle(detail::send_rights(handle_, fds, message, stop), ec);
}

received unix_seqpacket::receive(buffer into, std::error_code& ec, const stop_token& stop) {
  iovec part{into.data(), into.size()};
  msghdr header{};
  const auto result = detail::perform(handle_, direction::read, 0, stop, [&](host& h) {
    header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    return h.recvmsg(handle_.slot()->fd(), &header);
  });
  return {detail::settle(result, ec), (header.msg_flags & MSG_TRUNC) != 0};
}

received unix_seqpacket::receive_descriptors(std::vector<descriptor>& fds, buffer into, std::error_code& ec,
                                             const stop_token& stop) {
  return detail::receive_rights(handle_, fds, into, ec, stop);
}

void unix_seqpacket::send(const_buffer message, const stop_token& stop) {
  detail::or_throw(handle_, "send", [&](std::error_code& ec) { send(message, ec, stop); });
}

received unix_seqpacket::receive(buffer into, const stop_token& stop) {
  return detail::or_throw(handle_, "receive", [&](std::error_code& ec) { return receive(into, ec, stop); });
}

void unix_seqpacket::send_descriptors(std::span<const int> fds, const_buffer message, const stop_token& stop) {
  detail::or_throw(handle_, "send_descriptors", [&](std::error_code& ec) { send_descriptors(fds, message, ec, stop); });
}

received unix_seqpacket::receive_descriptors(std::vector<descriptor>& fds, buffer into, const stop_token& stop) {
  return detail::or_throw(handle_, "receive_descriptors",
                          [&](std::error_code& ec) { return receive_descriptors(fds, into, ec, stop); });
}

void unix_seqpacket::shutdown_send(std::error_code& ec) noexcept { ec = detail::shut_down_sending(handle_); }

void unix_seqpacket::shutdown_send() {
  detail::or_throw(handle_, "shutdown_send", [&](std::error_code& ec) { shutdown_send(ec); });
}

credentials unix_seqpacket::peer_credentials() const { return detail::credentials_of(handle_); }
endpoint unix_seqpacket::local_endpoint() const { return detail::name_of(handle_, false); }
endpoint unix_seqpacket::remote_endpoint() const { return detail::name_of(handle_, true); }

unix_seqpacket unix_seqpacket::adopt(int fd) {
  return unix_seqpacket(detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: unix_seqpacket::adopt"));
}

}  // namespace sennit::inline v0

#include <array>
#include <string>

#include <sennit/detail/datagram_socket.hpp>

#include "base/mmsghdr.hpp"
#include "io/error_code.hpp"
#include "net/datagram_wait.hpp"
#include "net/raw_address.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t batch = 64;  // 64 bytes of header and 16 of buffer for each, on the caller's stack

iovec part_of(std::span<std::byte> room) noexcept { return {room.data(), room.size()}; }
iovec part_of(std::span<const std::byte> data) noexcept { return {const_cast<std::byte*>(data.data()), data.size()}; }

/// Where a message goes; the kernel does not write to it.
void address(msghdr& header, const socket_address& to) noexcept {
  if (to.empty()) return;
  header.msg_name = const_cast<sockaddr*>(address_access::raw(to));
  header.msg_namelen = address_access::size(to);
}

received receive_one(const io_handle& handle, std::span<std::byte> into, socket_address* from, std::error_code& ec,
                     const stop_token& stop) noexcept {
  iovec part = part_of(into);
  msghdr header{};
  const auto result = perform(handle, direction::read, 0, stop, [&](host& h) {
    header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (from != nullptr) {
      header.msg_name = address_access::raw(*from);
      header.msg_namelen = address_access::capacity;
    }
    return h.recvmsg(handle.slot()->fd(), &header);
  });
  if (from != nullptr) address_access::set_size(*from, result >= 0 ? header.msg_namelen : 0);
  return {settle(result, ec), (header.msg_flags & MSG_TRUNC) != 0};
}

std::error_code send_one(const io_handle& handle, std::span<const std::byte> message, const socket_address& to,
                         const stop_token& stop) noexcept {
  iovec part = part_of(message);
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  address(header, to);
  std::error_code ec;
  settle(perform_send(handle, to, stop, [&](host& h) { return h.sendmsg(handle.slot()->fd(), &header); }), ec);
  return ec;
}

/// Up to `batch` messages: as many as the first call that sends any.
std::ptrdiff_t send_some(const io_handle& handle, std::span<const outgoing_datagram> messages,
                         const stop_token& stop) noexcept {
  std::array<mmsghdr, batch> headers{};
  std::array<iovec, batch> parts;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    parts[i] = part_of(messages[i].data);
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    address(headers[i].msg_hdr, messages[i].to);
  }
  return perform_send(handle, messages.front().to, stop,
                      [&](host& h) { return h.sendmmsg(handle.slot()->fd(), headers.data(), messages.size()); });
}

}  // namespace

received datagram_socket::receive(buffer into, std::error_code& ec, const stop_token& stop) {
  return receive_one(handle_, into, nullptr, ec, stop);
}

received datagram_socket::receive_from(buffer into, socket_address& from, std::error_code& ec, const stop_token& stop) {
  return receive_one(handle_, into, &from, ec, stop);
}

std::size_t datagram_socket::receive_batch(std::span<incoming_datagram> into, std::error_code& ec,
                                           const stop_token& stop) {
  const std::size_t room = std::min(into.size(), batch);
  if (room == 0) return settle(is_open() ? 0 : io_closed, ec);
  std::array<mmsghdr, batch> headers;
  std::array<iovec, batch> parts;
  const auto result = perform(handle_, direction::read, 0, stop, [&](host& h) {
    for (std::size_t i = 0; i < room; ++i) {
      parts[i] = part_of(into[i].room);
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_name = address_access::raw(into[i].from);
      headers[i].msg_hdr.msg_namelen = address_access::capacity;
    }
    return h.recvmmsg(handle_.slot()->fd(), headers.data(), room);
  });
  const std::size_t count = settle(result, ec);
  for (std::size_t i = 0; i < count; ++i) {
    into[i].got = {headers[i].msg_len, (headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0};
    address_access::set_size(into[i].from, headers[i].msg_hdr.msg_namelen);
  }
  return count;
}

void datagram_socket::send(const_buffer message, std::error_code& ec, const stop_token& stop) {
  ec = send_one(handle_, message, {}, stop);
}

void datagram_socket::send_to(const_buffer message, const socket_address& to, std::error_code& ec,
                              const stop_token& stop) {
  ec = send_one(handle_, message, to, stop);
}

void datagram_socket::send_to(const_buffer message, const endpoint& to, std::error_code& ec, const stop_token& stop) {
  const socket_address address = socket_address::of(to, ec);
  if (!ec) ec = send_one(handle_, message, address, stop);
}

std::size_t datagram_socket::send_batch(std::span<const outgoing_datagram> messages, std::error_code& ec,
                                        const stop_token& stop) {
  std::size_t sent = 0;
  if (messages.empty()) return settle(is_open() ? 0 : io_closed, ec);
  do {
    const auto rest = messages.subspan(sent);
    sent += settle(send_some(handle_, rest.first(std::min(rest.size(), batch)), stop), ec);
    if (ec) return sent;
  } while (sent < messages.size());
  return sent;
}

received datagram_socket::receive(buffer into, const stop_token& stop) {
  return or_throw(handle_, "receive", [&](std::error_code& ec) { return receive(into, ec, stop); });
}

received datagram_socket::receive_from(buffer into, socket_address& from, const stop_token& stop) {
  return or_throw(handle_, "receive_from", [&](std::error_code& ec) { return receive_from(into, from, ec, stop); });
}

std::size_t datagram_socket::receive_batch(std::span<incoming_datagram> into, const stop_token& stop) {
  return or_throw(handle_, "receive_batch", [&](std::error_code& ec) { return receive_batch(into, ec, stop); });
}

void datagram_socket::send(const_buffer message, const stop_token& stop) {
  or_throw(handle_, "send", [&](std::error_code& ec) { send(message, ec, stop); });
}

void datagram_socket::send_to(const_buffer message, const socket_address& to, const stop_token& stop) {
  std::error_code ec;
  send_to(message, to, ec, stop);
  if (ec) throw_if(ec, ("sennit: send_to " + to.to_endpoint().to_string()).c_str());
}

void datagram_socket::send_to(const_buffer message, const endpoint& to, const stop_token& stop) {
  std::error_code ec;
  send_to(message, to, ec, stop);
  if (ec) throw_if(ec, ("sennit: send_to " + to.to_string()).c_str());
}

std::size_t datagram_socket::send_batch(std::span<const outgoing_datagram> messages, const stop_token& stop) {
  return or_throw(handle_, "send_batch", [&](std::error_code& ec) { return send_batch(messages, ec, stop); });
}

void datagram_socket::set_send_buffer(std::size_t bytes) { set_buffer_size(handle_, SO_SNDBUF, bytes); }
void datagram_socket::set_receive_buffer(std::size_t bytes) { set_buffer_size(handle_, SO_RCVBUF, bytes); }
std::size_t datagram_socket::send_buffer() const { return buffer_size(handle_, SO_SNDBUF); }
std::size_t datagram_socket::receive_buffer() const { return buffer_size(handle_, SO_RCVBUF); }
endpoint datagram_socket::local_endpoint() const { return name_of(handle_, false); }
endpoint datagram_socket::remote_endpoint() const { return name_of(handle_, true); }

}  // namespace sennit::inline v0::detail

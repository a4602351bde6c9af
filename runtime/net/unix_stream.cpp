#include <sys/socket.h>

#include <sennit/unix.hpp>

#include "io/error_code.hpp"
#include "net/rights.hpp"
#include "net/unix_socket.hpp"

namespace sennit::inline v0 {

unix_stream unix_stream::connect_before(const endpoint& to, detail::wait_bound until, std::error_code& ec) {
  return unix_stream(detail::connect_unix(SOCK_STREAM, to, until, ec));
}

unix_stream unix_stream::connect(const endpoint& to, const stop_token& stop) {
  std::error_code ec;
  unix_stream s = connect(to, ec, stop);
  detail::throw_at(ec, "connect to", to);
  return s;
}

std::pair<unix_stream, unix_stream> unix_stream::pair() {
  auto [a, b] = detail::make_unix_pair(SOCK_STREAM, "sennit: unix_stream::pair");
  return {unix_stream(std::move(a)), unix_stream(std::move(b))};
}

std::size_t unix_stream::write_descriptors(std::span<const int> fds, const_buffer bytes, std::error_code& ec,
                                           const stop_token& stop) {
  const std::size_t sent = detail::settle(detail::send_rights(handle_, fds, bytes, stop), ec);
  if (ec || sent == bytes.size()) return sent;
  return sent + write_all(bytes.subspan(sent), ec, stop);
}

std::size_t unix_stream::read_descriptors(std::vector<descriptor>& fds, buffer into, std::error_code& ec,
                                          const stop_token& stop) {
  return detail::receive_rights(handle_, fds, into, ec, stop).size;
}

std::size_t unix_stream::write_descriptors(std::span<const int> fds, const_buffer bytes, const stop_token& stop) {
  return detail::or_throw(handle_, "write_descriptors",
                          [&](std::error_code& ec) { return write_descriptors(fds, bytes, ec, stop); });
}

std::size_t unix_stream::read_descriptors(std::vector<descriptor>& fds, buffer into, const stop_token& stop) {
  return detail::or_throw(handle_, "read_descriptors",
                          [&](std::error_code& ec) { return read_descriptors(fds, into, ec, stop); });
}

credentials unix_stream::peer_credentials() const { return detail::credentials_of(handle_); }

unix_stream unix_stream::adopt(int fd) {
  return unix_stream(detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: unix_stream::adopt"));
}

}  // namespace sennit::inline v0

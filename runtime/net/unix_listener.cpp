#include <sys/socket.h>

#include <sennit/unix.hpp>

#include "net/acceptor.hpp"
#include "net/unix_socket.hpp"

namespace sennit::inline v0 {
namespace {

detail::io_handle accept_unix(const detail::io_handle& listener, std::error_code& ec, const stop_token& stop) {
  const int fd = detail::accept_connection(listener, ec, stop);
  return ec ? detail::io_handle() : detail::make_handle(fd, detail::fd_kind::other, false, ec);
}

}  // namespace

unix_listener unix_listener::bind(const endpoint& at, options opts, std::error_code& ec) {
  std::string path = detail::path_to_unlink(at, opts);
  detail::io_handle handle = detail::listen_unix(SOCK_STREAM, at, opts, ec);
  return ec ? unix_listener() : unix_listener(std::move(handle), std::move(path));
}

unix_listener unix_listener::bind(const endpoint& at, options opts) {
  std::error_code ec;
  unix_listener l = bind(at, opts, ec);
  detail::throw_at(ec, "listen at", at);
  return l;
}

unix_listener unix_listener::adopt(int fd) {
  return {detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: unix_listener::adopt"), {}};
}

unix_stream unix_listener::accept(std::error_code& ec, const stop_token& stop) {
  return unix_stream(accept_unix(handle_, ec, stop));
}

unix_stream unix_listener::accept(const stop_token& stop) {
  std::error_code ec;
  unix_stream s = accept(ec, stop);
  detail::throw_if(ec, "sennit: unix_listener::accept");
  return s;
}

unix_seqpacket_listener unix_seqpacket_listener::bind(const endpoint& at, options opts, std::error_code& ec) {
  std::string path = detail::path_to_unlink(at, opts);
  detail::io_handle handle = detail::listen_unix(SOCK_SEQPACKET, at, opts, ec);
  return ec ? unix_seqpacket_listener() : unix_seqpacket_listener(std::move(handle), std::move(path));
}

unix_seqpacket_listener unix_seqpacket_listener::bind(const endpoint& at, options opts) {
  std::error_code ec;
  unix_seqpacket_listener l = bind(at, opts, ec);
  detail::throw_at(ec, "listen at", at);
  return l;
}

unix_seqpacket_listener unix_seqpacket_listener::adopt(int fd) {
  return {detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: unix_seqpacket_listener::adopt"), {}};
}

unix_seqpacket unix_seqpacket_listener::accept(std::error_code& ec, const stop_token& stop) {
  return unix_seqpacket(accept_unix(handle_, ec, stop));
}

unix_seqpacket unix_seqpacket_listener::accept(const stop_token& stop) {
  std::error_code ec;
  unix_seqpacket s = accept(ec, stop);
  detail::throw_if(ec, "sennit: unix_seqpacket_listener::accept");
  return s;
}

}  // namespace sennit::inline v0

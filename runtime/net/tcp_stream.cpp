#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <vector>

#include <sennit/blocking.hpp>
#include <sennit/tcp.hpp>

#include "io/error_code.hpp"
#include "net/address.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0 {

using detail::current_host;
using detail::direction;
using detail::host;

namespace {

/// Starts to connect and waits for the outcome; an empty handle and `ec` on failure.
detail::io_handle connect_to(const sockaddr_storage& address, detail::wait_bound until, std::error_code& ec) {
  host& outside = current_host();
  const int fd = outside.socket(address.ss_family, SOCK_STREAM, 0);
  if (fd < 0) {
    ec = detail::host_error(fd);
    return {};
  }
  detail::io_handle handle = detail::make_handle(fd, detail::fd_kind::stream_tcp, false, ec);
  if (ec) return {};
  const int started = outside.connect(fd, reinterpret_cast<const sockaddr*>(&address), detail::sockaddr_size(address));
  if (started < 0 && started != -EINPROGRESS && started != -EINTR) {
    ec = detail::host_error(started);
    return {};
  }
  if (started < 0) {
    handle.set_deadline(until.deadline);
    detail::io_slot& slot = *handle.slot();
    slot.exhausted(direction::write, slot.readiness(direction::write));  // only the event tells
    const auto outcome = detail::perform(slot, direction::write, 0, *until.stop, [fd](host& h) -> std::ptrdiff_t {
      int error = 0;
      socklen_t size = sizeof error;
      if (const int r = h.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size); r < 0) return r;
      if (error != 0) return -error;
      sockaddr_storage peer{};
      size = sizeof peer;
      const int r = h.getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size);
      return r == -ENOTCONN ? -EAGAIN : r;  // an early hint: still connecting
    });
    detail::settle(outcome, ec);
    if (ec) return {};
    handle.set_deadline(detail::never);
  }
  static_cast<void>(detail::set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));  // a reset may have come first
  return handle;
}

detail::io_handle connect_any(const endpoint& to, detail::wait_bound until, std::error_code& ec) {
  std::vector<sockaddr_storage> addresses;
  if (to.kind() == endpoint::family::name) {
    // The system's resolver blocks: not on a worker.
    ec = blocking([&] { return detail::resolve_blocking(to, addresses); }, *until.stop);
  } else {
    ec = detail::resolve_blocking(to, addresses);
  }
  if (ec) return {};
  detail::io_handle handle;
  for (const auto& address : addresses) {
    handle = connect_to(address, until, ec);
    if (!ec || ec == std::errc::operation_canceled || ec == error::deadline_passed) break;
  }
  return handle;
}

}  // namespace

tcp_stream tcp_stream::connect_before(const endpoint& to, detail::wait_bound until, std::error_code& ec) {
  return tcp_stream(connect_any(to, until, ec));
}

tcp_stream tcp_stream::connect(const endpoint& to, const stop_token& stop) {
  std::error_code ec;
  tcp_stream s = connect(to, ec, stop);
  if (ec) detail::throw_if(ec, ("sennit: connect to " + to.to_string()).c_str());
  return s;
}

tcp_stream tcp_stream::adopt(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    detail::throw_if(std::error_code(EBADF, std::system_category()), "sennit: tcp_stream::adopt");
  }
  std::error_code ec;
  // Where it comes from is not known: it may have been duplicated, and it may be no TCP socket after all.
  tcp_stream s(detail::make_handle(fd, detail::fd_kind::other, true, ec));
  detail::throw_if(ec, "sennit: tcp_stream::adopt");
  return s;
}

std::size_t tcp_stream::read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) {
  if (into.empty()) return detail::settle(is_open() ? 0 : detail::io_closed, ec);
  return detail::settle(
      detail::perform(handle_, direction::read, into.size(), stop,
                      [&, fd = handle_.native()](host& h) { return h.recv(fd, into.data(), into.size()); }),
      ec);
}

std::size_t tcp_stream::write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) {
  if (from.empty()) return detail::settle(is_open() ? 0 : detail::io_closed, ec);
  return detail::settle(
      detail::perform(handle_, direction::write, from.size(), stop,
                      [&, fd = handle_.native()](host& h) { return h.send(fd, from.data(), from.size()); }),
      ec);
}

std::size_t tcp_stream::read_exact(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) {
  std::size_t done = 0;
  do {
    const std::size_t n = read_some(into.subspan(done), ec, stop);
    if (ec) return done;
    if (n == 0 && done < into.size()) {
      ec = error::end_of_stream;
      return done;
    }
    done += n;
  } while (done < into.size());
  return done;
}

std::size_t tcp_stream::write_all(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) {
  std::size_t done = 0;
  do {
    done += write_some(from.subspan(done), ec, stop);
    if (ec) return done;
  } while (done < from.size());
  return done;
}

std::size_t tcp_stream::read_some(std::span<std::byte> into, const stop_token& stop) {
  std::error_code ec;
  const std::size_t n = read_some(into, ec, stop);
  detail::throw_if(ec, "sennit: tcp_stream::read_some");
  return n;
}

std::size_t tcp_stream::read_exact(std::span<std::byte> into, const stop_token& stop) {
  std::error_code ec;
  const std::size_t n = read_exact(into, ec, stop);
  detail::throw_if(ec, "sennit: tcp_stream::read_exact");
  return n;
}

std::size_t tcp_stream::write_some(std::span<const std::byte> from, const stop_token& stop) {
  std::error_code ec;
  const std::size_t n = write_some(from, ec, stop);
  detail::throw_if(ec, "sennit: tcp_stream::write_some");
  return n;
}

std::size_t tcp_stream::write_all(std::span<const std::byte> from, const stop_token& stop) {
  std::error_code ec;
  const std::size_t n = write_all(from, ec, stop);
  detail::throw_if(ec, "sennit: tcp_stream::write_all");
  return n;
}

void tcp_stream::shutdown_send(std::error_code& ec) noexcept {
  const int fd = handle_.native();
  const int result = fd < 0 ? -EBADF : current_host().shutdown(fd, SHUT_WR);
  ec = result < 0 ? detail::host_error(result) : std::error_code();
}

void tcp_stream::shutdown_send() {
  std::error_code ec;
  shutdown_send(ec);
  detail::throw_if(ec, "sennit: tcp_stream::shutdown_send");
}

void tcp_stream::set_no_delay(bool on) {
  detail::throw_if(detail::set_option(handle_.native(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0),
                   "sennit: tcp_stream::set_no_delay");
}

endpoint tcp_stream::local_endpoint() const { return detail::name_of(handle_, false); }
endpoint tcp_stream::remote_endpoint() const { return detail::name_of(handle_, true); }

}  // namespace sennit::inline v0

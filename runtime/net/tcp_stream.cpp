#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <limits>
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
  return tcp_stream(detail::adopt_descriptor(fd, detail::fd_kind::other, "sennit: tcp_stream::adopt"));
}

void tcp_stream::set_no_delay(bool on) {
  detail::throw_if(detail::set_option(handle_, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0), "sennit: set_no_delay");
}

void tcp_stream::set_keepalive(const std::optional<keepalive>& probing) {
  std::error_code ec;
  if (probing) {
    // Its numbers first: a stream that is probed is never probed at the system's pace, of hours.
    const auto seconds = [](std::chrono::seconds s) {
      return static_cast<int>(std::clamp<std::chrono::seconds::rep>(s.count(), 0, std::numeric_limits<int>::max()));
    };
    ec = detail::set_option(handle_, IPPROTO_TCP, TCP_KEEPIDLE, seconds(probing->idle));
    if (!ec) ec = detail::set_option(handle_, IPPROTO_TCP, TCP_KEEPINTVL, seconds(probing->interval));
    if (!ec) ec = detail::set_option(handle_, IPPROTO_TCP, TCP_KEEPCNT, probing->count);
  }
  if (!ec) ec = detail::set_option(handle_, SOL_SOCKET, SO_KEEPALIVE, probing ? 1 : 0);
  detail::throw_if(ec, "sennit: set_keepalive");
}

void tcp_stream::set_linger(const std::optional<std::chrono::seconds>& limit) {
  const int fd = handle_.native();
  const ::linger value{.l_onoff = limit ? 1 : 0, .l_linger = 0};
  const int result = fd < 0 ? -EBADF
                     : limit && *limit != std::chrono::seconds(0)
                         ? -EINVAL
                         : current_host().setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value);
  if (result < 0) detail::throw_if(detail::host_error(result), "sennit: set_linger");
}

}  // namespace sennit::inline v0

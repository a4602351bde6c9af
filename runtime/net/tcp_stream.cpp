#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>
#include <vector>

#include <sennit/blocking.hpp>
#include <sennit/tcp.hpp>

#include "base/system.hpp"
#include "io/error_code.hpp"
#include "net/address.hpp"
#include "net/connect.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0 {

using detail::current_host;

namespace {

/// The addresses of all endpoints, in their order. What had none is in `failed`.
std::vector<sockaddr_storage> addresses_of(std::span<const endpoint> to, const stop_token& stop,
                                           std::vector<detail::connect_failure>& failed) {
  std::vector<sockaddr_storage> all;
  std::vector<sockaddr_storage> found;
  for (const endpoint& e : to) {
    std::error_code ec;
    if (e.kind() == endpoint::family::name) {
      // The system's resolver blocks: not on a worker.
      ec = blocking([&] { return detail::resolve_blocking(e, found); }, stop);
    } else {
      ec = detail::resolve_blocking(e, found);
    }
    if (ec) failed.push_back({e, ec});
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

/// As the public functions; `failed` tells what became of each address.
detail::io_handle connect_any(std::span<const endpoint> to, connect_options opts, detail::wait_bound until,
                              std::error_code& ec, std::vector<detail::connect_failure>& failed) {
  failed.clear();
  if (to.empty()) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return {};
  }
  std::vector<detail::connect_failure> unresolved;
  std::vector<sockaddr_storage> addresses;
  try {
    addresses = detail::interleaved(addresses_of(to, *until.stop, unresolved));
  } catch (const std::system_error& stopped) {
    ec = stopped.code();
    return {};
  }
  detail::io_handle handle;
  if (!addresses.empty()) {
    handle = detail::connect_first(addresses, detail::span_nanos(opts.attempt_delay), until, ec, failed);
  } else {
    ec = unresolved.back().why;
  }
  failed.insert(failed.begin(), unresolved.begin(), unresolved.end());
  return handle;
}

/// "sennit: connect to localhost:80 (127.0.0.1:80: Connection refused, [::1]:80: Connection refused)".
std::string explain(std::span<const endpoint> to, std::span<const detail::connect_failure> failed) {
  std::string text = "sennit: connect to ";
  for (const endpoint& e : to) text += (&e == &to.front() ? "" : ", ") + e.to_string();
  const bool same = failed.size() == 1 && failed.front().to == to.front();
  if (!failed.empty() && !same) text += " (" + detail::describe(failed) + ")";
  return text;
}

}  // namespace

tcp_stream tcp_stream::connect_before(std::span<const endpoint> to, connect_options opts, detail::wait_bound until,
                                      std::error_code& ec) {
  std::vector<detail::connect_failure> failed;
  return tcp_stream(connect_any(to, opts, until, ec, failed));
}

tcp_stream tcp_stream::connect(std::span<const endpoint> to, const stop_token& stop, connect_options opts) {
  std::error_code ec;
  std::vector<detail::connect_failure> failed;
  tcp_stream s(connect_any(to, opts, {.stop = &stop}, ec, failed));
  if (ec) detail::throw_if(ec, explain(to, failed).c_str());
  return s;
}

tcp_stream tcp_stream::connect(const endpoint& to, const stop_token& stop) { return connect(std::span(&to, 1), stop); }

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
    ec = detail::set_option(handle_, IPPROTO_TCP, detail::tcp_keepalive_idle, seconds(probing->idle));
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

#pragma once
// TCP in blocking style: a call that cannot go on parks the fiber (on a plain thread: blocks the thread).
#include <chrono>
#include <optional>

#include <sennit/detail/byte_stream.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/endpoint.hpp>

namespace sennit::inline v0 {

namespace detail {
struct server_access;
}

/// When the kernel probes an idle connection, and after how many probes without an answer it gives up: then who waits
/// gets the system's timed_out. The kernel counts in whole seconds, at least one.
struct keepalive {
  std::chrono::seconds idle{60};      ///< without traffic until the first probe
  std::chrono::seconds interval{10};  ///< between probes
  int count = 6;
};

/// How tcp_stream::connect() goes about several addresses. A value.
struct connect_options {
  /// How long an address may be silent before the next one is tried as well. RFC 8305 recommends 250 ms, and asks for
  /// 100 ms at least on networks that are not your own. Zero or less: all at once.
  std::chrono::nanoseconds attempt_delay = std::chrono::milliseconds(250);
};

/// A connected TCP socket; detail::byte_stream says how it reads and writes.
class tcp_stream : public detail::socket_stream {
 public:
  tcp_stream() noexcept = default;

  /// Connects. Names are resolved by the system's resolver on a helper thread; if that gives several addresses, they
  /// race as those of the next overload. Throws std::system_error with the endpoint in its message, and with each
  /// address and what became of it if there were several.
  SENNIT_API static tcp_stream connect(const endpoint& to, const stop_token& stop = {});
  static tcp_stream connect(const endpoint& to, std::error_code& ec, const stop_token& stop = {}) {
    return connect_before({&to, 1}, {}, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  static tcp_stream connect(const endpoint& to, const std::chrono::time_point<Clock, Duration>& deadline,
                            std::error_code& ec, const stop_token& stop = {}) {
    return connect_before({&to, 1}, {}, {detail::deadline_at(deadline), &stop}, ec);
  }

  /// Connects to the first of several endpoints that answers (happy eyeballs, RFC 8305): `to` is in order of
  /// preference, as a resolver returns it. The families take turns; each address is tried when the one before has
  /// failed or has been silent for opts.attempt_delay; the losers are closed. If all fail, the code is the most telling
  /// one and the exception's message names each endpoint with its own. invalid_argument if `to` is empty. One bad
  /// endpoint (no such name, unix:) does not keep the others from being tried.
  SENNIT_API static tcp_stream connect(std::span<const endpoint> to, const stop_token& stop = {},
                                       connect_options opts = {});
  static tcp_stream connect(std::span<const endpoint> to, std::error_code& ec, const stop_token& stop = {},
                            connect_options opts = {}) {
    return connect_before(to, opts, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  static tcp_stream connect(std::span<const endpoint> to, const std::chrono::time_point<Clock, Duration>& deadline,
                            std::error_code& ec, const stop_token& stop = {}, connect_options opts = {}) {
    return connect_before(to, opts, {detail::deadline_at(deadline), &stop}, ec);
  }

  /// TCP_NODELAY, which is on unless it is turned off. This and the options below throw std::system_error.
  SENNIT_API void set_no_delay(bool on);
  /// Probes a connection that is idle; std::nullopt: not, which is the default.
  SENNIT_API void set_keepalive(const std::optional<keepalive>& probing);
  /// What close() does with bytes that the peer has not acknowledged: keeps sending in the background (nothing set, the
  /// default), or drops them and resets the connection (zero seconds). A longer time is for blocking sockets: close()
  /// would hold up a worker for that long, so it is refused with invalid_argument.
  SENNIT_API void set_linger(const std::optional<std::chrono::seconds>& limit);

  /// Adopts a connected stream socket, which it makes non-blocking and owns from then on. Throws on a bad descriptor.
  SENNIT_API static tcp_stream adopt(int fd);

 private:
  friend class tcp_listener;
  friend struct detail::server_access;
  SENNIT_API static tcp_stream connect_before(std::span<const endpoint> to, connect_options opts,
                                              detail::wait_bound until, std::error_code& ec);
  explicit tcp_stream(detail::io_handle handle) noexcept : socket_stream(std::move(handle)) {}
};

/// A listening TCP socket. Movable handle. Several fibers may accept at once.
class tcp_listener : public detail::io_object {
 public:
  struct options {
    int backlog = 4096;
    bool reuse_port = false;
    /// On an IPv6 address: no IPv4 clients. Otherwise "[::]:80" takes both, and names the IPv4 ones [::ffff:1.2.3.4].
    /// Never left to net.ipv6.bindv6only.
    bool v6_only = false;
  };

  tcp_listener() noexcept = default;

  /// Binds and listens (SO_REUSEADDR set). Throws std::system_error with the endpoint in its message: address_in_use,
  /// permission_denied, bad_endpoint, ...
  static tcp_listener bind(const endpoint& at) { return bind(at, options{}); }
  SENNIT_API static tcp_listener bind(const endpoint& at, options opts);
  SENNIT_API static tcp_listener bind(const endpoint& at, options opts, std::error_code& ec);

  /// Adopts a listening stream socket, as a service manager hands it down; makes it non-blocking and owns it from then
  /// on. Throws on a bad descriptor.
  SENNIT_API static tcp_listener adopt(int fd);

  /// The next connection (TCP_NODELAY set). Out of descriptors (EMFILE, ENFILE, ENOBUFS, ENOMEM): logs once, backs off,
  /// goes on; the connection stays in the backlog. Connections that died in the backlog are skipped.
  SENNIT_API tcp_stream accept(const stop_token& stop = {});
  SENNIT_API tcp_stream accept(std::error_code& ec, const stop_token& stop = {});

  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;

 private:
  explicit tcp_listener(detail::io_handle handle) noexcept : io_object(std::move(handle)) {}
};

}  // namespace sennit::inline v0

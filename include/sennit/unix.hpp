#pragma once
// Unix sockets in blocking style: a call that cannot go on parks the fiber (on a plain thread: blocks the thread).
// Endpoints are "unix:/path" and, for names that live in no file system, "unix:@name".
#include <span>
#include <utility>
#include <vector>

#include <sennit/descriptor.hpp>
#include <sennit/detail/byte_stream.hpp>
#include <sennit/detail/datagram_socket.hpp>
#include <sennit/detail/unix_acceptor.hpp>
#include <sennit/detail/wait_bound.hpp>

namespace sennit::inline v0 {

namespace detail {
struct server_access;
}

/// Who made the other end, as the kernel noted it when the sockets were connected (SO_PEERCRED).
struct credentials {
  int pid = 0;  ///< 0: a process that this namespace does not see
  unsigned uid = 0;
  unsigned gid = 0;
};

/// A connected Unix stream; detail::byte_stream says how it reads and writes.
///
/// Descriptors travel with bytes: those of one write_descriptors() come with the read_descriptors() that gets its first
/// byte. A plain read_some() there drops them, closed. What is sent stays the sender's; a stream's own descriptor is
/// first taken out of the poller by release().
class unix_stream : public detail::socket_stream {
 public:
  unix_stream() noexcept = default;

  /// Connects to a unix endpoint. While the listener's backlog is full, tries again and again, at most 20 ms apart: the
  /// kernel does not tell when there is room. Throws std::system_error with the endpoint in its message:
  /// no_such_file_or_directory, connection_refused (nobody listens), permission_denied, ...
  SENNIT_API static unix_stream connect(const endpoint& to, const stop_token& stop = {});
  static unix_stream connect(const endpoint& to, std::error_code& ec, const stop_token& stop = {}) {
    return connect_before(to, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  static unix_stream connect(const endpoint& to, const std::chrono::time_point<Clock, Duration>& deadline,
                             std::error_code& ec, const stop_token& stop = {}) {
    return connect_before(to, {detail::deadline_at(deadline), &stop}, ec);
  }
  /// Two streams connected to each other (socketpair(2)). Throws std::system_error.
  SENNIT_API static std::pair<unix_stream, unix_stream> pair();

  /// Writes all of `bytes`, at least one, with copies of `fds` (up to 253) at the first of them. invalid_argument,
  /// bad_file_descriptor for one that is not open; on an error the count says how many bytes went out: none, or the
  /// descriptors too.
  SENNIT_API std::size_t write_descriptors(std::span<const int> fds, const_buffer bytes, const stop_token& stop = {});
  SENNIT_API std::size_t write_descriptors(std::span<const int> fds, const_buffer bytes, std::error_code& ec,
                                           const stop_token& stop = {});
  /// Reads as read_some() does, and puts the descriptors that came, close-on-exec, in place of what is in `fds`. If the
  /// process may not have as many: too_many_files_open, all of them closed, and the count of bytes read.
  SENNIT_API std::size_t read_descriptors(std::vector<descriptor>& fds, buffer into, const stop_token& stop = {});
  SENNIT_API std::size_t read_descriptors(std::vector<descriptor>& fds, buffer into, std::error_code& ec,
                                          const stop_token& stop = {});

  /// Throws std::system_error.
  [[nodiscard]] SENNIT_API credentials peer_credentials() const;

  /// Adopts a connected stream socket, which it makes non-blocking and owns from then on. Throws on a bad descriptor.
  SENNIT_API static unix_stream adopt(int fd);

 private:
  friend class unix_listener;
  friend struct detail::server_access;
  SENNIT_API static unix_stream connect_before(const endpoint& to, detail::wait_bound until, std::error_code& ec);
  explicit unix_stream(detail::io_handle handle) noexcept : socket_stream(std::move(handle)) {}
};

/// A listening Unix stream socket; detail::unix_acceptor says what happens to its path. Movable handle. Several fibers
/// may accept at once.
class unix_listener : public detail::unix_acceptor {
 public:
  unix_listener() noexcept = default;

  /// Binds and listens. Throws std::system_error with the endpoint in its message: address_in_use, permission_denied,
  /// no_such_file_or_directory (no such directory), ...
  static unix_listener bind(const endpoint& at) { return bind(at, options{}); }
  SENNIT_API static unix_listener bind(const endpoint& at, options opts);
  SENNIT_API static unix_listener bind(const endpoint& at, options opts, std::error_code& ec);

  /// As tcp_listener::adopt(). The path, if it has one, stays.
  SENNIT_API static unix_listener adopt(int fd);

  /// The next connection; out of descriptors it does as tcp_listener does.
  SENNIT_API unix_stream accept(const stop_token& stop = {});
  SENNIT_API unix_stream accept(std::error_code& ec, const stop_token& stop = {});

 private:
  unix_listener(detail::io_handle handle, std::string path) noexcept
      : unix_acceptor(std::move(handle), std::move(path)) {}
};

/// A Unix datagram socket; detail::datagram_socket says how it sends and receives. Nothing is lost: who sends waits
/// while the receiver's queue is full (close() then takes effect within 10 ms if the receiver is not the connected
/// peer).
class unix_datagram : public detail::datagram_socket {
 public:
  unix_datagram() noexcept = default;

  /// A socket that receives at a path or an abstract name; the path stays when it is closed. Throws std::system_error
  /// with the endpoint in its message.
  SENNIT_API static unix_datagram bind(const endpoint& at);
  SENNIT_API static unix_datagram bind(const endpoint& at, std::error_code& ec);
  /// A socket without a name, for who only sends.
  SENNIT_API static unix_datagram open();
  /// A socket without a name for one peer.
  SENNIT_API static unix_datagram connect(const endpoint& to);
  SENNIT_API static unix_datagram connect(const endpoint& to, std::error_code& ec);
  /// Connects a socket that is bound: then it receives from that peer only.
  SENNIT_API void set_peer(const endpoint& to);
  SENNIT_API void set_peer(const endpoint& to, std::error_code& ec) noexcept;
  /// Two sockets connected to each other. Throws std::system_error.
  SENNIT_API static std::pair<unix_datagram, unix_datagram> pair();

  /// A message with descriptors, as in unix_stream, to the connected peer.
  SENNIT_API void send_descriptors(std::span<const int> fds, const_buffer message, const stop_token& stop = {});
  SENNIT_API void send_descriptors(std::span<const int> fds, const_buffer message, std::error_code& ec,
                                   const stop_token& stop = {});
  SENNIT_API received receive_descriptors(std::vector<descriptor>& fds, buffer into, const stop_token& stop = {});
  SENNIT_API received receive_descriptors(std::vector<descriptor>& fds, buffer into, std::error_code& ec,
                                          const stop_token& stop = {});

  /// Adopts a Unix datagram socket, which it makes non-blocking and owns from then on. Throws on a bad descriptor.
  SENNIT_API static unix_datagram adopt(int fd);

 private:
  explicit unix_datagram(detail::io_handle handle) noexcept : datagram_socket(std::move(handle)) {}
};

/// A connected Unix socket that keeps the bounds of messages (SOCK_SEQPACKET): reliable and in order as a stream.
/// Handle and threads as of unix_stream.
class unix_seqpacket : public detail::io_object {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  unix_seqpacket() noexcept = default;

  /// As those of unix_stream.
  SENNIT_API static unix_seqpacket connect(const endpoint& to, const stop_token& stop = {});
  static unix_seqpacket connect(const endpoint& to, std::error_code& ec, const stop_token& stop = {}) {
    return connect_before(to, {.stop = &stop}, ec);
  }
  template <class Clock, class Duration>
  static unix_seqpacket connect(const endpoint& to, const std::chrono::time_point<Clock, Duration>& deadline,
                                std::error_code& ec, const stop_token& stop = {}) {
    return connect_before(to, {detail::deadline_at(deadline), &stop}, ec);
  }
  SENNIT_API static std::pair<unix_seqpacket, unix_seqpacket> pair();

  /// One message, whole; message_size if it is too long, invalid_argument if it is empty: the receiver would take that
  /// for the end.
  SENNIT_API void send(const_buffer message, const stop_token& stop = {});
  SENNIT_API void send(const_buffer message, std::error_code& ec, const stop_token& stop = {});
  /// The next message; size 0 at the end of the stream.
  SENNIT_API received receive(buffer into, const stop_token& stop = {});
  SENNIT_API received receive(buffer into, std::error_code& ec, const stop_token& stop = {});
  /// The same with descriptors, as in unix_stream.
  SENNIT_API void send_descriptors(std::span<const int> fds, const_buffer message, const stop_token& stop = {});
  SENNIT_API void send_descriptors(std::span<const int> fds, const_buffer message, std::error_code& ec,
                                   const stop_token& stop = {});
  SENNIT_API received receive_descriptors(std::vector<descriptor>& fds, buffer into, const stop_token& stop = {});
  SENNIT_API received receive_descriptors(std::vector<descriptor>& fds, buffer into, std::error_code& ec,
                                          const stop_token& stop = {});

  /// Half-close: the peer receives the end; receiving goes on.
  SENNIT_API void shutdown_send();
  SENNIT_API void shutdown_send(std::error_code& ec) noexcept;
  /// Throws std::system_error.
  [[nodiscard]] SENNIT_API credentials peer_credentials() const;
  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;
  [[nodiscard]] SENNIT_API endpoint remote_endpoint() const;

  /// Adopts a connected seqpacket socket, which it makes non-blocking and owns from then on. Throws on a bad
  /// descriptor.
  SENNIT_API static unix_seqpacket adopt(int fd);

 private:
  friend class unix_seqpacket_listener;
  SENNIT_API static unix_seqpacket connect_before(const endpoint& to, detail::wait_bound until, std::error_code& ec);
  explicit unix_seqpacket(detail::io_handle handle) noexcept : io_object(std::move(handle)) {}
};

/// A listening Unix seqpacket socket: unix_listener's twin.
class unix_seqpacket_listener : public detail::unix_acceptor {
 public:
  unix_seqpacket_listener() noexcept = default;
  static unix_seqpacket_listener bind(const endpoint& at) { return bind(at, options{}); }
  SENNIT_API static unix_seqpacket_listener bind(const endpoint& at, options opts);
  SENNIT_API static unix_seqpacket_listener bind(const endpoint& at, options opts, std::error_code& ec);
  SENNIT_API static unix_seqpacket_listener adopt(int fd);
  SENNIT_API unix_seqpacket accept(const stop_token& stop = {});
  SENNIT_API unix_seqpacket accept(std::error_code& ec, const stop_token& stop = {});

 private:
  unix_seqpacket_listener(detail::io_handle handle, std::string path) noexcept
      : unix_acceptor(std::move(handle), std::move(path)) {}
};

}  // namespace sennit::inline v0

#pragma once
// TCP in blocking style: a call that cannot go on parks the fiber (on a plain thread: blocks the thread).
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/endpoint.hpp>

namespace sennit::inline v0 {

namespace detail {
class io_slot;
struct select_access;
/// Owns a descriptor: what every stream and listener holds. One pointer; null when closed for good.
class SENNIT_API io_handle {
 public:
  io_handle() noexcept = default;
  explicit io_handle(io_slot* slot) noexcept : slot_(slot) {}
  io_handle(io_handle&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  io_handle& operator=(io_handle&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~io_handle();

  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept;
  [[nodiscard]] int native() const noexcept;
  int release() noexcept;
  void set_deadline(nanos deadline) noexcept;
  template <class Rep, class Period>
  void expires_after(std::chrono::duration<Rep, Period> d) noexcept {
    set_deadline(deadline_in(d));
  }
  [[nodiscard]] io_slot* slot() const noexcept { return slot_; }

 private:
  io_slot* slot_ = nullptr;
};
}  // namespace detail

/// A connected TCP socket. Movable handle. One fiber may read while another writes; several readers (writers) queue.
/// close() may come from any fiber or thread: who waits gets bad_file_descriptor. All operations are ambient
/// cancellation points; that stop and the token's end them with operation_canceled. Errors of the peer:
/// connection_reset, broken_pipe and so on.
class tcp_stream {
 public:
  tcp_stream() noexcept = default;

  /// Connects. Names are resolved by the system's resolver on a helper thread. Throws std::system_error with the
  /// endpoint in its message.
  SENNIT_API static tcp_stream connect(const endpoint& to, const stop_token& stop = {});
  static tcp_stream connect(const endpoint& to, std::error_code& ec, const stop_token& stop = {}) {
    return connect_before(to, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  static tcp_stream connect(const endpoint& to, const std::chrono::time_point<Clock, Duration>& deadline,
                            std::error_code& ec, const stop_token& stop = {}) {
    return connect_before(to, {detail::deadline_at(deadline), &stop}, ec);
  }

  /// Reads what is there, at least one byte; 0 at the end of the stream (or for an empty buffer).
  SENNIT_API std::size_t read_some(std::span<std::byte> into, const stop_token& stop = {});
  SENNIT_API std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop = {});
  /// Reads until `into` is full; error::end_of_stream if the stream ends before (the count says how much came).
  SENNIT_API std::size_t read_exact(std::span<std::byte> into, const stop_token& stop = {});
  SENNIT_API std::size_t read_exact(std::span<std::byte> into, std::error_code& ec, const stop_token& stop = {});
  /// Writes at least one byte, unless `from` is empty.
  SENNIT_API std::size_t write_some(std::span<const std::byte> from, const stop_token& stop = {});
  SENNIT_API std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop = {});
  /// Writes everything; on an error the count says how much went out.
  SENNIT_API std::size_t write_all(std::span<const std::byte> from, const stop_token& stop = {});
  SENNIT_API std::size_t write_all(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop = {});

  /// From now on, each wait of this stream fails with deadline_passed at that time. Absolute once set.
  template <class Rep, class Period>
  void expires_after(std::chrono::duration<Rep, Period> d) noexcept {
    handle_.expires_after(d);
  }
  void expires_at(std::chrono::steady_clock::time_point t) noexcept { handle_.set_deadline(detail::to_nanos(t)); }
  void expires_never() noexcept { handle_.set_deadline(detail::never); }

  /// Half-close: the peer reads the end of the stream; reading goes on.
  SENNIT_API void shutdown_send(std::error_code& ec) noexcept;
  SENNIT_API void shutdown_send();

  SENNIT_API void set_no_delay(bool on);
  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;
  [[nodiscard]] SENNIT_API endpoint remote_endpoint() const;

  /// Closes; wakes who waits with bad_file_descriptor. The descriptor itself is closed when the last user has left.
  void close() noexcept { handle_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// The descriptor, or -1. It stays owned; it is non-blocking.
  [[nodiscard]] int native_handle() const noexcept { return handle_.native(); }
  /// Gives the descriptor away, taken out of the poller. Who waits gets bad_file_descriptor.
  int release() noexcept { return handle_.release(); }

  /// Adopts a connected stream socket, which it makes non-blocking and owns from then on. Throws on a bad descriptor.
  SENNIT_API static tcp_stream adopt(int fd);

 private:
  friend class tcp_listener;
  friend struct detail::select_access;
  SENNIT_API static tcp_stream connect_before(const endpoint& to, detail::wait_bound until, std::error_code& ec);
  explicit tcp_stream(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}
  detail::io_handle handle_;
};

/// A listening TCP socket. Movable handle. Several fibers may accept at once.
class tcp_listener {
 public:
  struct options {
    int backlog = 4096;
    bool reuse_port = false;
  };

  tcp_listener() noexcept = default;

  /// Binds and listens (SO_REUSEADDR set). Throws std::system_error with the endpoint in its message: address_in_use,
  /// permission_denied, bad_endpoint, ...
  static tcp_listener bind(const endpoint& at) { return bind(at, options{}); }
  SENNIT_API static tcp_listener bind(const endpoint& at, options opts);
  SENNIT_API static tcp_listener bind(const endpoint& at, options opts, std::error_code& ec);

  /// The next connection (TCP_NODELAY set). Out of descriptors (EMFILE, ENFILE, ENOBUFS, ENOMEM): logs once, backs off,
  /// goes on; the connection stays in the backlog. Connections that died in the backlog are skipped.
  SENNIT_API tcp_stream accept(const stop_token& stop = {});
  SENNIT_API tcp_stream accept(std::error_code& ec, const stop_token& stop = {});

  template <class Rep, class Period>
  void expires_after(std::chrono::duration<Rep, Period> d) noexcept {
    handle_.expires_after(d);
  }
  void expires_at(std::chrono::steady_clock::time_point t) noexcept { handle_.set_deadline(detail::to_nanos(t)); }
  void expires_never() noexcept { handle_.set_deadline(detail::never); }

  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;
  void close() noexcept { handle_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  [[nodiscard]] int native_handle() const noexcept { return handle_.native(); }
  int release() noexcept { return handle_.release(); }

 private:
  friend struct detail::select_access;
  explicit tcp_listener(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}
  detail::io_handle handle_;
};

}  // namespace sennit::inline v0

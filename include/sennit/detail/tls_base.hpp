#pragma once
// What tls_stream is without knowing the type of the stream below it. No OpenSSL is seen here.
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <sennit/detail/buffer_list.hpp>
#include <sennit/detail/time.hpp>
#include <sennit/stop_token.hpp>
#include <sennit/tls_context.hpp>

namespace sennit::inline v0::detail {

/// The stream below TLS. One call in each direction at a time; close() and expires_at() beside them.
class SENNIT_API tls_transport {
 public:
  tls_transport() = default;
  tls_transport(const tls_transport&) = delete;
  tls_transport& operator=(const tls_transport&) = delete;
  virtual ~tls_transport() = default;

  virtual std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) = 0;
  virtual std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) = 0;
  virtual void expires_at(std::chrono::steady_clock::time_point t) noexcept = 0;
  virtual void close() noexcept = 0;
  /// For messages; empty if it has no name.
  [[nodiscard]] virtual std::string peer() const = 0;
};

/// TLS over a stream. Movable handle, not while a call is inside. One fiber may read while another writes; several
/// readers (writers) take turns. close() may come from any fiber or thread: who waits gets bad_file_descriptor. All
/// operations are ambient cancellation points; that stop and the token's end them with operation_canceled, after which
/// reading and writing may go on. What the stream below says is passed on. After a failed handshake, or when the peer
/// broke the protocol, each call gives the code of that. What is thrown names the operation and the host or the peer.
class tls_base {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  SENNIT_API tls_base(tls_base&&) noexcept;
  SENNIT_API tls_base& operator=(tls_base&&) noexcept;
  SENNIT_API ~tls_base();

  /// The handshake of a client. `host`: whom to reach, a name or an IP address; it is sent (SNI, names only) and the
  /// server's certificate must be for it. May be empty only if nothing is verified. Failures of verification: those of
  /// tls_errc; deadline_passed after options::handshake_timeout; already_connected if there was a handshake.
  SENNIT_API void handshake_as_client(std::string_view host, const stop_token& stop = {});
  SENNIT_API void handshake_as_client(std::string_view host, std::error_code& ec, const stop_token& stop = {});
  /// The handshake of a server. invalid_argument if the context has neither a certificate nor select_context.
  SENNIT_API void handshake_as_server(const stop_token& stop = {});
  SENNIT_API void handshake_as_server(std::error_code& ec, const stop_token& stop = {});

  /// Reads what is there, at least one byte; 0 at the end of the stream (or for an empty buffer). The end is what the
  /// peer said to be one (close_notify); a stream that stops without it is tls_errc::truncated. not_connected before
  /// the handshake, as all that follows.
  SENNIT_API std::size_t read_some(buffer into, const stop_token& stop = {});
  SENNIT_API std::size_t read_some(buffer into, std::error_code& ec, const stop_token& stop = {});
  /// The same into several buffers, the first one first.
  SENNIT_API std::size_t read_some(buffer_list<buffer> into, const stop_token& stop = {});
  SENNIT_API std::size_t read_some(buffer_list<buffer> into, std::error_code& ec, const stop_token& stop = {});
  /// Reads until `into` is full; error::end_of_stream if the stream ends before (the count says how much came).
  SENNIT_API std::size_t read_exact(buffer into, const stop_token& stop = {});
  SENNIT_API std::size_t read_exact(buffer into, std::error_code& ec, const stop_token& stop = {});
  /// Writes at least one byte, unless `from` is empty. On an error the count says how much has been taken: what of that
  /// did not go out yet goes before what is written next.
  SENNIT_API std::size_t write_some(const_buffer from, const stop_token& stop = {});
  SENNIT_API std::size_t write_some(const_buffer from, std::error_code& ec, const stop_token& stop = {});
  /// The same from several buffers; small ones share a record.
  SENNIT_API std::size_t write_some(buffer_list<const_buffer> from, const stop_token& stop = {});
  SENNIT_API std::size_t write_some(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop = {});
  /// Writes everything; the count as above.
  SENNIT_API std::size_t write_all(const_buffer from, const stop_token& stop = {});
  SENNIT_API std::size_t write_all(const_buffer from, std::error_code& ec, const stop_token& stop = {});
  SENNIT_API std::size_t write_all(buffer_list<const_buffer> from, const stop_token& stop = {});
  SENNIT_API std::size_t write_all(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop = {});

  /// Half-close: the peer reads the end of the stream (close_notify); reading goes on. Writing afterwards: broken_pipe.
  SENNIT_API void shutdown_send(const stop_token& stop = {});
  SENNIT_API void shutdown_send(std::error_code& ec, const stop_token& stop = {});
  /// The same, then waits for the peer's end; what comes before it is dropped. Nobody else reads meanwhile. Both within
  /// options::shutdown_timeout. A peer that hangs up instead of answering: truncated. The stream below stays open.
  SENNIT_API void shutdown(const stop_token& stop = {});
  SENNIT_API void shutdown(std::error_code& ec, const stop_token& stop = {});

  /// From now on, each wait of this object fails with deadline_passed at that time. Absolute once set; it takes the
  /// place of a deadline that the stream below had.
  template <class Rep, class Period>
  void expires_after(std::chrono::duration<Rep, Period> d) noexcept {
    set_deadline(deadline_in(d));
  }
  void expires_at(std::chrono::steady_clock::time_point t) noexcept { set_deadline(to_nanos(t)); }
  void expires_never() noexcept { set_deadline(never); }

  /// Closes the stream below, without a word to the peer, who takes that for a truncated stream unless shutdown() came
  /// before. The destructor does the same.
  SENNIT_API void close() noexcept;
  [[nodiscard]] SENNIT_API bool is_open() const noexcept;

  /// What was agreed on; empty before the handshake, and alpn() also if there was no agreement.
  [[nodiscard]] SENNIT_API std::string alpn() const;
  [[nodiscard]] SENNIT_API std::optional<tls_version> version() const;
  [[nodiscard]] SENNIT_API std::string cipher() const;
  /// The name that the client asked for (SNI), on either side.
  [[nodiscard]] SENNIT_API std::string server_name() const;
  /// The peer's certificate; none if it sent none. Verified if the context asks for that.
  [[nodiscard]] SENNIT_API std::optional<tls_certificate> peer_certificate() const;

  /// Clients: what to resume, before the handshake. One of another context or host is not used, nor is one that the
  /// server does not know any more: the handshake is then a whole one.
  SENNIT_API void set_session(const tls_session& session);
  /// Clients: the newest session that can be resumed; empty if there is none. TLS 1.3 servers send it after the
  /// handshake, so that it is there after a read.
  [[nodiscard]] SENNIT_API tls_session session() const;
  /// Whether the handshake resumed a session.
  [[nodiscard]] SENNIT_API bool resumed() const;

 protected:
  SENNIT_API tls_base(std::unique_ptr<tls_transport> next, const tls_context& context);
  [[nodiscard]] SENNIT_API tls_transport* transport() const noexcept;

 private:
  SENNIT_API void set_deadline(nanos deadline) noexcept;
  void throw_of(const std::error_code& ec, const char* operation) const;
  template <class F>
  auto or_throw(const char* operation, F&& f);

  std::unique_ptr<tls_core> core_;
};

}  // namespace sennit::inline v0::detail

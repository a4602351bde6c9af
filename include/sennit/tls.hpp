#pragma once
// TLS over any stream, in blocking style. Component sennit::tls, on OpenSSL 3.
//
//   const sennit::tls_context trust({.alpn = {"http/1.1"}});
//   sennit::tls_stream stream(sennit::tcp_stream::connect("example.org:443"), trust);
//   stream.handshake_as_client("example.org");
#include <concepts>
#include <memory>
#include <utility>

#include <sennit/detail/tls_base.hpp>
#include <sennit/endpoint.hpp>

namespace sennit::inline v0 {

/// What TLS needs of the stream below it. tcp_stream and unix_stream have it; so may a type of yours: the calls are
/// those of tcp_stream, may be one read beside one write, beside close() and expires_at(), and the codes are passed on.
template <class S>
concept tls_below =
    std::movable<S> && requires(S& s, std::span<std::byte> in, std::span<const std::byte> out, std::error_code& ec,
                                const stop_token& stop, std::chrono::steady_clock::time_point t) {
      { s.read_some(in, ec, stop) } -> std::convertible_to<std::size_t>;
      { s.write_some(out, ec, stop) } -> std::convertible_to<std::size_t>;
      s.expires_at(t);  // time_point::max(): never
      s.close();
    };

/// TLS over a Stream that it owns; detail::tls_base says what it does.
template <tls_below Stream>
class tls_stream : public detail::tls_base {
 public:
  /// Not connected until one of the handshakes. invalid_argument if the context is empty.
  tls_stream(Stream next, const tls_context& context) : tls_base(std::make_unique<layer>(std::move(next)), context) {}

  /// The stream below: for its options. What is read or written there is no TLS.
  [[nodiscard]] Stream& next_layer() noexcept { return static_cast<layer*>(transport())->next; }
  [[nodiscard]] const Stream& next_layer() const noexcept { return static_cast<const layer*>(transport())->next; }

 private:
  struct layer final : detail::tls_transport {
    explicit layer(Stream&& s) : next(std::move(s)) {}

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) override {
      return next.read_some(into, ec, stop);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) override {
      return next.write_some(from, ec, stop);
    }
    void expires_at(std::chrono::steady_clock::time_point t) noexcept override { next.expires_at(t); }
    void close() noexcept override { next.close(); }
    [[nodiscard]] std::string peer() const override {
      if constexpr (requires { endpoint(next.remote_endpoint()); }) {
        try {
          const endpoint at = next.remote_endpoint();
          if (!at.host().empty()) return at.to_string();
        } catch (const std::system_error&) {  // closed
        }
      }
      return {};
    }

    Stream next;
  };
};

}  // namespace sennit::inline v0

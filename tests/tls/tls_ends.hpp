#pragma once
// Connected tls_streams, and what is done with them.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include <sennit/sennit.hpp>
#include <sennit/tls.hpp>

#include "net/streams.hpp"
#include "support/runtimes.hpp"
#include "tls/certificates.hpp"

namespace sennit::test {

/// Both ends of a connection, client and server, over streams of a Kind.
template <class Kind>
struct tls_ends {
  using below = decltype(Kind::connected().writer);
  using stream = tls_stream<below>;

  /// Without a handshake.
  explicit tls_ends(const tls_context& client_side = tls_context(client_options()),
                    const tls_context& server_side = tls_context(server_options()))
      : tls_ends(Kind::connected(), client_side, server_side) {}

  /// Both handshakes; what they gave.
  std::pair<std::error_code, std::error_code> shake_hands(const std::string& host = "localhost") {
    std::pair<std::error_code, std::error_code> codes;
    scope s;
    s.spawn([&] { server.handshake_as_server(codes.second); });
    client.handshake_as_client(host, codes.first);
    s.join();
    return codes;
  }
  /// The same, which must succeed.
  tls_ends& up(const std::string& host = "localhost") {
    const auto [c, s] = shake_hands(host);
    if (c) throw std::system_error(c, "client");
    if (s) throw std::system_error(s, "server");
    return *this;
  }

  stream client;
  stream server;

 private:
  tls_ends(ends<below>&& e, const tls_context& client_side, const tls_context& server_side)
      : client(std::move(e.writer), client_side), server(std::move(e.reader), server_side) {}
};

/// TLS as a kind of stream among others, over Unix sockets. Connects in a fiber.
struct tls_kind {
  static ends<tls_stream<unix_stream>> connected() {
    tls_ends<unix_kind> e;
    e.up();
    return {std::move(e.client), std::move(e.server)};
  }
};

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class Stream>
std::string read_text(Stream& s, std::size_t n) {
  std::string text(n, '\0');
  s.read_exact(std::as_writable_bytes(std::span(text)));
  return text;
}

/// One message there and one back.
template <class Kind>
void greet(tls_ends<Kind>& e) {
  e.client.write_all(bytes_of("hello"));
  EXPECT_EQ(read_text(e.server, 5), "hello");
  e.server.write_all(bytes_of("world"));
  EXPECT_EQ(read_text(e.client, 5), "world");
}

}  // namespace sennit::test

// Built against an installed sennit::tls: a peer that speaks no TLS, and errors of the component's own category.
#include <cstdio>
#include <system_error>

#include <sennit/sennit.hpp>
#include <sennit/tls.hpp>

int main() {
  const int right = sennit::run([] {
    int count = 0;
    auto [a, b] = sennit::unix_stream::pair();
    sennit::tls_stream client(std::move(a), sennit::tls_context(sennit::tls_context::options{}));
    sennit::scope s;
    s.spawn([peer = std::move(b)]() mutable { peer.write_all(std::as_bytes(std::span("this is no TLS"))); });
    try {
      client.handshake_as_client("example.org");
    } catch (const std::system_error& e) {
      if (e.code() == std::errc::protocol_error) ++count;
      if (e.code().category() == sennit::tls_category()) ++count;
    }
    try {
      const sennit::tls_context none({.ca_pem = "no PEM"});
    } catch (const std::system_error& e) {
      if (e.code() == sennit::tls_errc::bad_pem && e.code() == std::errc::invalid_argument) ++count;
    }
    return count;
  });
  std::printf("consumer_tls: %d of 3\n", right);
  return right == 3 ? 0 : 1;
}

// Rung 16: the HTTP server of rung 7 behind TLS.
//
// The session loop (support/http_session.hpp) does not know the difference: a tls_stream is read and written like the
// tcp_stream that is in it. What is new comes before: a context with the certificate, made once and used by all
// connections, and a handshake for each. That is done by the session's own fiber, within options::handshake_timeout, so
// that a client who connects and says nothing holds up nobody.
//
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost
//     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
//   16_https_server --port 7016 --certificate cert.pem --key key.pem &
//   curl --cacert cert.pem https://localhost:7016/
#include <iostream>
#include <string>

#include <sennit/sennit.hpp>
#include <sennit/tls.hpp>

#include "support/cli.hpp"
#include "support/http_session.hpp"
#include "support/stop_signal.hpp"

namespace {

using https_stream = sennit::tls_stream<sennit::tcp_stream>;

/// What was agreed on with this client.
http::response about(const https_stream& stream) {
  const bool newest = stream.version() == sennit::tls_version::tls_1_3;
  std::string text = std::string("TLS ") + (newest ? "1.3" : "1.2") + ", " + stream.cipher() + '\n';
  text += "protocol " + stream.alpn() + '\n';
  text += "name " + stream.server_name() + '\n';
  text += stream.resumed() ? "session resumed\n" : "new session\n";
  return {.body = text};
}

void session(sennit::tcp_stream connection, const sennit::tls_context& context) {
  https_stream stream(std::move(connection), context);
  std::error_code ec;
  stream.handshake_as_server(ec);
  if (ec == std::errc::operation_canceled) return;
  if (ec) {  // a client that does not trust us, one that speaks no TLS, one that says nothing
    std::cerr << "no handshake: " << ec.message() << std::endl;
    return;
  }
  http::serve(stream, [&](const http::request& asked) -> http::response {
    if (asked.path == "/echo") return {.body = asked.body, .content_type = "application/octet-stream"};
    return asked.path == "/" ? about(stream) : http::error_response(404);
  });
}

}  // namespace

int main(int argc, char** argv) try {
  std::string certificate;
  std::string key;
  example::command_line line("A small HTTPS server.", 7016);
  line.add("--certificate", certificate, "PEM file: the certificate, then those that vouch for it")->required();
  line.add("--key", key, "PEM file: the certificate's key")->required();
  line.parse(argc, argv);
  example::stop_signal stop;

  sennit::run(line.runtime_options(), [&] {
    const sennit::tls_context context({.certificate_file = certificate, .key_file = key, .alpn = {"http/1.1"}});
    auto listener = sennit::tcp_listener::bind(line.address());
    std::cout << "listening on " << listener.local_endpoint() << std::endl;

    sennit::scope server(sennit::on_exception::log);
    server.spawn({.name = "accept"}, [&] {
      for (;;)
        server.spawn({.name = "session"},
                     [&, connection = listener.accept()]() mutable { session(std::move(connection), context); });
    });
    std::cout << "stopping on " << stop.wait() << std::endl;
    server.request_stop();
    server.join();
  });
} catch (const std::exception& e) {
  std::cerr << "16_https_server: " << e.what() << '\n';
  return 1;
}

// Rung 21: somebody else's protocol code. Boost.Beast speaks WebSocket; sennit::asio_stream is the stream that it
// wants.
//
// Beast has each operation twice: an asynchronous one for those who write callbacks or coroutines, and one that simply
// waits, for tests and small tools, since a server would need a thread for each connection. Here it is the second kind
// that serves: a fiber waits, and there may be many of them. Beast knows nothing of it.
//
// Deadlines are those of the stream at the bottom: the second next_layer() is the tcp_stream.
//
//   21_beast_websocket --port 7021 &   then   21_beast_websocket --port 7021 --send hello
// or in a browser's console:   s = new WebSocket("ws://localhost:7021"); s.onmessage = m => console.log(m.data);
//                              s.onopen = () => s.send("hello")
#include <sennit/asio.hpp>

// clang-format off: after sennit/asio.hpp
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
// clang-format on

#include <iostream>
#include <string>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

using socket = websocket::stream<sennit::asio_stream<sennit::tcp_stream>>;

sennit::tcp_stream& connection_of(socket& s) { return s.next_layer().next_layer(); }

/// Sends each message back until the client closes or has been silent for a minute.
void session(sennit::tcp_stream connection) {
  socket client(std::move(connection));
  client.read_message_max(1 << 20);
  connection_of(client).expires_after(10s);
  beast::error_code ec;
  client.accept(ec);
  beast::flat_buffer message;
  while (!ec) {
    connection_of(client).expires_after(60s);
    client.read(message, ec);
    if (ec) break;
    client.text(client.got_text());
    client.write(message.data(), ec);
    message.clear();
  }
  // A stop of the server is operation_aborted here, and not to be told.
  if (ec != websocket::error::closed && ec != boost::asio::error::operation_aborted)
    std::cerr << "a client is gone: " << ec.message() << std::endl;
}

void serve(const sennit::endpoint& at, example::stop_signal& stop) {
  auto listener = sennit::tcp_listener::bind(at);
  std::cout << "listening on " << listener.local_endpoint() << std::endl;
  sennit::scope server(sennit::on_exception::log);
  server.spawn({.name = "accept"}, [&] {
    for (;;) server.spawn({.name = "session"}, [s = listener.accept()]() mutable { session(std::move(s)); });
  });
  std::cout << "stopping on " << stop.wait() << std::endl;
  server.request_stop();
  server.join();
}

void ask(const sennit::endpoint& at, const std::string& text) {
  socket server(sennit::tcp_stream::connect(at));
  connection_of(server).expires_after(10s);
  server.handshake(at.to_string(), "/");
  server.write(boost::asio::buffer(text));
  beast::flat_buffer answer;
  server.read(answer);
  std::cout << beast::buffers_to_string(answer.data()) << std::endl;
  server.close(websocket::close_code::normal);
}

}  // namespace

int main(int argc, char** argv) try {
  std::string text;
  example::command_line line("Sends WebSocket messages back; with --send, is the client.", 7021);
  line.add("--send", text, "a message to send to a server");
  line.parse(argc, argv);
  if (!text.empty()) {
    sennit::run(line.runtime_options(), [&] { ask(line.address(), text); });
    return 0;
  }
  example::stop_signal stop;
  sennit::run(line.runtime_options(), [&] { serve(line.address(), stop); });
} catch (const std::exception& e) {
  std::cerr << "21_beast_websocket: " << e.what() << '\n';
  return 1;
}

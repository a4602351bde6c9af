// Rung 17: datagrams. One socket serves everybody, so there is no connection to give a fiber to.
//
// Instead a few fibers share the socket: each takes what is there, up to 64 messages by one system call, and sends it
// back by another. Where a message came from stays as the kernel wrote it (socket_address), so answering costs no
// parsing; endpoint() is for people. Nothing arrives for sure and nothing arrives in order: who needs that repeats, as
// the client below does.
//
//   17_udp_echo --port 7017 &   then   17_udp_echo --port 7017 --send hello   or   nc -u 127.0.0.1 7017
#include <array>
#include <iostream>
#include <string>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch = 64;
constexpr std::size_t longest = 2048;  // what is longer is cut, and not sent back

void echo(sennit::udp_socket& socket) {
  std::vector<std::byte> room(batch * longest);
  std::array<sennit::incoming_datagram, batch> in;
  for (std::size_t i = 0; i < batch; ++i) in[i].room = std::span(room).subspan(i * longest, longest);
  std::vector<sennit::outgoing_datagram> out;
  for (;;) {
    const std::size_t count = socket.receive_batch(in);
    out.clear();
    for (const auto& message : std::span(in).first(count)) {
      if (!message.got.truncated) out.push_back({message.data(), message.from});
    }
    std::span<const sennit::outgoing_datagram> rest = out;
    while (!rest.empty()) {
      std::error_code ec;
      rest = rest.subspan(socket.send_batch(rest, ec));
      if (ec == std::errc::operation_canceled) return;
      if (ec) rest = rest.subspan(1);  // one client that cannot be answered stops nobody else
    }
  }
}

void serve(const sennit::endpoint& at, example::stop_signal& stop) {
  auto socket = sennit::udp_socket::bind(at);
  std::cout << "listening on " << socket.local_endpoint() << std::endl;
  sennit::scope server(sennit::on_exception::log);
  for (int i = 0; i < 4; ++i) server.spawn({.name = "echo"}, [&] { echo(socket); });
  std::cout << "stopping on " << stop.wait() << std::endl;
  server.request_stop();
  server.join();
}

/// Sends the text until it comes back: either way may lose it.
bool ask(const sennit::endpoint& server, const std::string& text) {
  auto socket = sennit::udp_socket::connect(server);  // hears this server only, and of a port where nobody listens
  std::vector<std::byte> room(longest);
  for (int attempt = 0; attempt < 10; ++attempt) {
    socket.send(std::as_bytes(std::span(text)));
    socket.expires_after(500ms);
    std::error_code ec;
    const auto got = socket.receive(room, ec);
    if (ec == std::errc::timed_out) continue;
    if (ec) throw std::system_error(ec, "no answer from " + server.to_string());
    std::cout << std::string(reinterpret_cast<const char*>(room.data()), got.size) << '\n';
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string text;
  example::command_line line("Sends datagrams back; with --send, is the client.", 7017);
  line.add("--send", text, "a message to send to a server");
  line.parse(argc, argv);
  if (!text.empty()) return sennit::run(line.runtime_options(), [&] { return ask(line.address(), text); }) ? 0 : 1;
  example::stop_signal stop;
  sennit::run(line.runtime_options(), [&] { serve(line.address(), stop); });
} catch (const std::exception& e) {
  std::cerr << "17_udp_echo: " << e.what() << '\n';
  return 1;
}

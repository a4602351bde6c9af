// Rung 5: a server in blocking style, one fiber per connection.
//
// Read it as though each connection had a thread: accept, read, write, all of them calls that wait. What waits is a
// fiber, so ten thousand idle clients cost ten thousand small stacks and no thread at all. The scope holds all the
// fibers of the server: a signal stops the scope, a stopped scope wakes whoever waits inside it, and it ends when the
// last one has.
//
//   05_echo_server --port 7005 &   then   06_echo_client --port 7005   or   nc 127.0.0.1 7005
#include <array>
#include <iostream>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/stop_signal.hpp"

namespace {

void echo(sennit::tcp_stream stream) {
  std::array<std::byte, 4096> buffer;
  while (const std::size_t count = stream.read_some(buffer)) stream.write_all(std::span(buffer).first(count));
}

}  // namespace

int main(int argc, char** argv) try {
  example::command_line line("Sends back what it receives.", 7005);
  line.parse(argc, argv);
  example::stop_signal stop;

  sennit::run(line.runtime_options(), [&] {
    auto listener = sennit::tcp_listener::bind(line.address());
    std::cout << "listening on " << listener.local_endpoint() << std::endl;

    sennit::scope server(sennit::on_exception::log);  // one client's error stops nobody else
    server.spawn({.name = "accept"}, [&] {
      for (;;) server.spawn({.name = "echo"}, echo, listener.accept());
    });
    std::cout << "stopping on " << stop.wait() << std::endl;
    server.request_stop();
    server.join();
  });
} catch (const std::exception& e) {
  std::cerr << "05_echo_server: " << e.what() << '\n';
  return 1;
}

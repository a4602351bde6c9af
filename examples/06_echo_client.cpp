// Rung 6: one connection, two fibers: one writes while the other reads.
//
// A client that first writes a megabyte and then reads may never finish: the server stops reading when nobody takes
// what it sends back, and then both wait for ever. With a fiber for each direction the code for each stays a plain
// loop.
#include <array>
#include <iostream>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

/// What belongs at this place of the stream: no period that a lost or doubled block could hide in.
std::byte pattern(std::size_t position) { return static_cast<std::byte>((position * 2654435761U) >> 13); }

void send_pattern(sennit::tcp_stream& stream, std::size_t total) {
  std::array<std::byte, 16 * 1024> block;
  for (std::size_t sent = 0; sent < total;) {
    const std::size_t count = std::min(block.size(), total - sent);
    for (std::size_t i = 0; i < count; ++i) block[i] = pattern(sent + i);
    stream.write_all(std::span(block).first(count));
    sent += count;
  }
  stream.shutdown_send();  // the server reads the end of our stream, sends the rest, and closes
}

std::size_t check_pattern(sennit::tcp_stream& stream) {
  std::array<std::byte, 16 * 1024> block;
  std::size_t received = 0;
  while (const std::size_t count = stream.read_some(block)) {
    for (std::size_t i = 0; i < count; ++i)
      if (block[i] != pattern(received + i))
        throw std::runtime_error("byte " + std::to_string(received + i) + " came back different");
    received += count;
  }
  return received;
}

}  // namespace

int main(int argc, char** argv) try {
  std::size_t bytes = 1 << 20;
  example::command_line line("Sends bytes to an echo server and checks that they come back.", 7005);
  line.add("--bytes", bytes, "how many");
  line.parse(argc, argv);

  const std::size_t received = sennit::run(line.runtime_options(), [&] {
    auto stream = sennit::tcp_stream::connect(line.address());
    stream.expires_after(std::chrono::seconds(60));
    sennit::scope directions;  // if one fails, the other is stopped, and join() throws
    std::size_t count = 0;
    directions.spawn([&] { send_pattern(stream, bytes); });
    directions.spawn([&] { count = check_pattern(stream); });
    directions.join();
    return count;
  });
  std::cout << "sent " << bytes << " bytes, got " << received << " back" << '\n';
  return received == bytes ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "06_echo_client: " << e.what() << '\n';
  return 1;
}

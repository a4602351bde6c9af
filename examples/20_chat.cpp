// Rung 20: a chat over TCP and a Unix socket at once: rooms, slow readers, and an end for which everybody is told.
//
// A server of each kind accepts on all workers and runs a fiber for each connection; a session is one template for
// both kinds of streams. In a session one fiber reads what its client says, another one writes what the client is to
// read, from a channel of its own. Nobody ever waits for somebody else's client: if that channel is full, its reader is
// too slow and has to go.
//
//   20_chat --port 7020 --unix /tmp/chat &   then   nc 127.0.0.1 7020   and   nc -U /tmp/chat
//
//   <name>          the first line: who you are
//   /join <room>    instead of "lobby", where everybody begins
//   /quit           anything else is said to the room
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include <sennit/sennit.hpp>

#include "support/chat_rooms.hpp"
#include "support/cli.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr std::size_t longest_line = 1000;

void write_line(auto& stream, std::string_view text) { stream.write_all(std::as_bytes(std::span(text))); }

/// What the client says, until it ends or is told to go.
template <class Stream>
void read(sennit::buffered_reader<Stream>& in, example::chat_rooms& rooms, example::chat_member& me) {
  while (const auto line = in.read_line(me.told_to_go.get_token())) {
    if (*line == "/quit") return;
    if (line->starts_with("/join ") && line->size() > 6) {
      rooms.move(me, std::string(line->substr(6)));
    } else if (!line->empty()) {
      rooms.say(me, std::string(*line));
    }
  }
}

template <class Stream>
void session(example::chat_rooms& rooms, std::size_t waiting, std::chrono::milliseconds patience, Stream stream) {
  sennit::buffered_reader in(stream, longest_line);
  write_line(stream, "who are you?\n");
  stream.expires_after(30s);
  const auto name = in.read_line();
  if (!name || name->empty() || rooms.closed()) return;
  stream.expires_never();

  example::chat_member me(std::string(*name), waiting);
  sennit::event all_written;
  sennit::scope writing;
  writing.spawn({.name = "write"}, [&] {
    for (const std::string& text : me.to_read) write_line(stream, text);
    all_written.set();
  });
  rooms.move(me, "lobby");
  std::string why = "bye\n";
  try {
    read(in, rooms, me);
  } catch (const std::system_error& e) {
    const bool told = me.told_to_go.stop_requested();
    why = rooms.closed() ? "" : told ? "* too slow" : std::string("* ") + e.what();
  }
  rooms.move(me, "");  // from now on nobody refers to `me`
  if (!why.empty()) std::clog << me.name + " leaves: " + why.substr(0, why.find('\n')) + "\n";
  me.to_read.close();  // what is left to read, and nobody waits longer
  if (!all_written.wait_for(patience)) writing.request_stop();
  stream.expires_after(patience);
  try {
    writing.join();
    if (!why.empty()) write_line(stream, why);
  } catch (const std::system_error&) {
    // It does not read, or has gone: the end of this session, as intended.
  }
}

}  // namespace

int main(int argc, char** argv) try {
  std::string path;
  std::size_t waiting = 100;
  int grace_ms = 2'000;
  example::command_line line("A chat on a TCP port and, if wanted, a Unix socket.", 7020);
  line.add("--unix", path, "path of the Unix socket; empty: none");
  line.add("--waiting", waiting, "lines that may wait for a reader before it is too slow");
  line.add("--grace", grace_ms, "ms to read the goodbye");
  line.parse(argc, argv);
  example::stop_signal stop;
  const std::chrono::milliseconds grace(grace_ms);
  example::chat_rooms rooms;

  sennit::run(line.runtime_options(), [&] {
    const auto serve = [&](auto stream) { session(rooms, waiting, grace, std::move(stream)); };
    std::optional<sennit::unix_server> local;
    if (!path.empty())
      local.emplace(sennit::endpoint("unix:" + path), sennit::unix_server::options{.connections = {.name = "session"}},
                    serve);
    sennit::tcp_server tcp(line.address(), {.connections = {.name = "session"}}, serve);
    std::cout << "listening on " << tcp.local_endpoint() << std::endl;
    std::cout << "stopping on " << stop.wait() << std::endl;

    rooms.close("* the server stops\n");
    const auto deadline = std::chrono::steady_clock::now() + 2 * grace;
    auto report = tcp.stop(deadline);
    if (local) {
      auto more = local->stop(deadline);
      report.stopped.insert(report.stopped.end(), more.stopped.begin(), more.stopped.end());
    }
    for (const std::string& who : report.stopped) std::cout << "had to stop " << who << std::endl;
    std::cout << "everybody has left" << std::endl;
  });
} catch (const std::exception& e) {
  std::cerr << "20_chat: " << e.what() << '\n';
  return 1;
}

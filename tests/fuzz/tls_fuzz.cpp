// TLS against bytes that are none, and between two ends of ours with somebody in the middle who changes some.
#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>
#include <sennit/tls.hpp>

#include "fuzz/fuzz_target.hpp"
#include "tls/certificates.hpp"
#include "tls/memory_link.hpp"

namespace sennit::test {
namespace {

/// Gives the bytes in pieces, then the end; takes up to 64 KiB.
struct hostile_peer {
  fuzzed_stream bytes;

  std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) {
    return bytes.read_some(into, ec, stop);
  }
  std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) {
    if (bytes.written.size() < 65'536) return bytes.write_some(from, ec, stop);
    ec = std::make_error_code(std::errc::broken_pipe);
    return 0;
  }
  void expires_at(std::chrono::steady_clock::time_point) {}
  void close() {}
};

const tls_context& server_side() {
  static const tls_context it(server_options());
  return it;
}
const tls_context& client_side(tls_version newest) {
  static const auto with = [](tls_version v) {
    auto o = client_options();
    o.max_version = v;
    return tls_context(o);
  };
  static const tls_context older(with(tls_version::tls_1_2));
  static const tls_context newer(with(tls_version::tls_1_3));
  return newest == tls_version::tls_1_2 ? older : newer;
}

void against_garbage(bool server, tls_version newest, std::uint64_t cuts, const std::string& text) {
  tls_stream stream(hostile_peer{fuzzed_stream(text, cuts)}, server ? server_side() : client_side(newest));
  std::error_code ec;
  server ? stream.handshake_as_server(ec) : stream.handshake_as_client("localhost", ec);
  must(static_cast<bool>(ec), "nobody was there to shake hands with");
  std::error_code again;
  std::byte b{};
  stream.read_some({&b, 1}, again);
  must(again == ec, "it is over for good");
}

/// Writes `sent`, says goodbye, and reads what the other one says.
template <class Stream>
std::string talk(Stream& s, const std::string& sent) {
  std::error_code ec;
  s.write_all(std::as_bytes(std::span(sent)), ec);
  if (!ec) s.shutdown_send(ec);
  std::string got;
  std::string room(5000, '\0');
  while (const std::size_t n = s.read_some(std::as_writable_bytes(std::span(room)), ec)) got.append(room, 0, n);
  if (!ec) got += "<end>";
  s.close();
  return got;
}

/// Whatever is changed on the way: what arrives is what was sent, or the beginning of it, and an end is an end.
void in_the_middle(tls_version newest, memory_link::tampering changes) {
  memory_link link(std::move(changes));
  tls_stream client(link.end(0), client_side(newest));
  tls_stream server(link.end(1), server_side());
  const std::string question(3000, 'q');
  const std::string reply(20'000, 'r');
  std::string asked;
  std::string answered;
  {
    scope s;
    s.spawn([&] {
      std::error_code ec;
      server.handshake_as_server(ec);
      asked = talk(server, reply);
    });
    std::error_code ec;
    client.handshake_as_client("localhost", ec);
    answered = talk(client, question);
    s.join();
  }
  must((question + "<end>").starts_with(asked) && (reply + "<end>").starts_with(answered), "no byte is another's");
  if (link.untouched())
    must(asked == question + "<end>" && answered == reply + "<end>", "without a change all arrives");
}

void fuzz_tls(std::span<const std::uint8_t> bytes) {
  static runtime& one = *new runtime({.workers = 1, .stall_threshold = {}});
  fuzz_input input(bytes);
  const std::uint8_t kind = input.byte();
  const tls_version newest = (kind & 2) != 0 ? tls_version::tls_1_2 : tls_version::tls_1_3;
  if ((kind & 4) != 0) {
    memory_link::tampering changes;
    while (!input.empty() && changes.size() < 8) {
      const std::uint8_t end = input.byte() % 2;
      const std::size_t offset = input.word();
      changes.push_back({end, offset, input.byte()});
    }
    one.run([&] { in_the_middle(newest, std::move(changes)); });
    return;
  }
  const std::uint64_t cuts = input.byte();
  const std::string text = input.rest();
  against_garbage((kind & 1) != 0, newest, cuts, text);
}

const fuzz_target it("tls", fuzz_tls);

}  // namespace
}  // namespace sennit::test

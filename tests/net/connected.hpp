#pragma once
// What the tests of tcp share: a connected pair, and bytes to send over it.
#include <array>
#include <cstddef>
#include <random>
#include <vector>

#include <sennit/sennit.hpp>

namespace sennit::test {

using bytes = std::vector<std::byte>;

inline bytes random_bytes(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  bytes out(n);
  for (auto& b : out) b = static_cast<std::byte>(random());
  return out;
}

struct pair {
  tcp_stream client;
  tcp_stream server;
};

inline pair connected() {
  auto listener = tcp_listener::bind("127.0.0.1:0");
  pair p;
  scope s;
  s.spawn([&] { p.server = listener.accept(); });
  p.client = tcp_stream::connect(listener.local_endpoint());
  s.join();
  return p;
}

/// Reads until the end of the stream.
inline bytes drain(tcp_stream& s) {
  bytes all;
  std::array<std::byte, 4096> buffer;
  while (const std::size_t n = s.read_some(buffer)) all.insert(all.end(), buffer.begin(), buffer.begin() + n);
  return all;
}

}  // namespace sennit::test

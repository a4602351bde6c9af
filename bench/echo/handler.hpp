#pragma once
#include <array>
#include <cstddef>
#include <span>

namespace bench {

inline constexpr std::size_t echo_buffer = 2048;

/// The one handler of the comparison: blocking-style, the same code on a fiber (sennit::tcp_stream) and on a thread
/// (blocking_stream). Returns at end of stream; throws what the stream throws.
template <class Stream>
void echo(Stream& stream) {
  std::array<std::byte, echo_buffer> buffer;
  for (;;) {
    const std::size_t n = stream.read_some(buffer);
    if (n == 0) return;
    stream.write_all(std::span(buffer).first(n));
  }
}

}  // namespace bench

#pragma once
// What is asked of a stream by what is built on one. detail::byte_stream says what the calls mean.
#include <concepts>
#include <cstddef>
#include <span>
#include <system_error>

#include <sennit/detail/buffer_list.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0::detail {

using read_buffer = std::span<std::byte>;
using write_buffer = std::span<const std::byte>;

template <class S>
concept readable = requires(S& s, read_buffer into, std::error_code& ec, const stop_token& stop) {
  { s.read_some(into, stop) } -> std::convertible_to<std::size_t>;
  { s.read_some(into, ec, stop) } -> std::convertible_to<std::size_t>;
};

template <class S>
concept writable = requires(S& s, write_buffer from, std::error_code& ec, const stop_token& stop) {
  { s.write_some(from, stop) } -> std::convertible_to<std::size_t>;
  { s.write_some(from, ec, stop) } -> std::convertible_to<std::size_t>;
};

/// Reads (writes) several buffers in one call.
template <class S>
concept reads_lists = requires(S& s, buffer_list<read_buffer> into, std::error_code& ec, const stop_token& stop) {
  { s.read_some(into, ec, stop) } -> std::convertible_to<std::size_t>;
};
template <class S>
concept writes_lists = requires(S& s, buffer_list<write_buffer> from, std::error_code& ec, const stop_token& stop) {
  { s.write_some(from, stop) } -> std::convertible_to<std::size_t>;
  { s.write_some(from, ec, stop) } -> std::convertible_to<std::size_t>;
};

}  // namespace sennit::inline v0::detail

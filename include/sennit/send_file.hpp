#pragma once
// Files to and from any stream. tcp_stream, unix_stream and the ends of a pipe have members of these names, too.
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <system_error>

#include <sennit/detail/byte_stream.hpp>
#include <sennit/detail/io_handle.hpp>
#include <sennit/file.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0 {
namespace detail {

/// What streams need of a file besides what it offers.
struct file_access {
  static const io_handle& handle_of(const file& f) noexcept { return f.handle_; }
  /// What keeps all reads, or all writes, at `offset` from being made.
  SENNIT_API static std::error_code refusal(const file& f, std::uint64_t offset, bool writes) noexcept;
};

template <class S>
concept file_sender = requires(S& s, const file& f, std::uint64_t n, std::error_code& ec, const stop_token& stop) {
  { s.send_file(f, n, n, ec, stop) } -> std::convertible_to<std::uint64_t>;
};

/// The most that one turn moves: soon enough a worker is free for others.
inline constexpr std::size_t file_part = std::size_t{128} * 1024;

/// Memory for a part, aligned: where malloc puts large blocks, 16 bytes behind a page's begin, a copy of pages takes
/// several times as long on some CPUs (loads seem to depend on the stores before them, whose addresses end alike).
struct alignas(64) part_buffer {
  std::array<std::byte, file_part> bytes;

  [[nodiscard]] std::span<std::byte> first(std::size_t n) noexcept { return std::span(bytes).first(n); }

  /// Null, and `ec` set, if there is no memory.
  static std::unique_ptr<part_buffer> make(std::error_code& ec) noexcept {
    std::unique_ptr<part_buffer> made(new (std::nothrow) part_buffer);
    ec = made != nullptr ? std::error_code() : std::make_error_code(std::errc::not_enough_memory);
    return made;
  }
};

/// `move(most, done)` moves `most` bytes or fewer, `done` went before: part by part until `count` are moved, a
/// part has none, or `ec` is set. Returns how many were moved.
template <class Move>
std::uint64_t by_parts(std::uint64_t count, std::error_code& ec, Move&& move) {
  std::uint64_t done = 0;
  while (!ec && done < count) {
    const std::size_t moved = move(static_cast<std::size_t>(std::min<std::uint64_t>(count - done, file_part)), done);
    done += moved;
    if (moved == 0) break;
  }
  return done;
}

}  // namespace detail

/// Sends `count` bytes of the file from `offset` on to a stream, or all up to the file's end; returns how many went
/// out, fewer than asked for if the file ends before. On an error it is that many, too. The stream's deadline bounds
/// its writes, the file's the reads; `stop` ends both. Errors: those of file::read_at and of the stream's write_all.
/// What is thrown names the file. From who may write to the stream.
template <class Stream>
std::uint64_t send_file(Stream& to, const file& from, std::uint64_t offset, std::uint64_t count, std::error_code& ec,
                        const stop_token& stop = {}) {
  if constexpr (detail::file_sender<Stream>) {
    return to.send_file(from, offset, count, ec, stop);
  } else {
    const auto part = detail::part_buffer::make(ec);
    return detail::by_parts(count, ec, [&](std::size_t most, std::uint64_t done) -> std::size_t {
      const std::size_t n = from.read_at(part->first(most), offset + done, ec, stop);
      return ec || n == 0 ? 0 : to.write_all(part->first(n), ec, stop);
    });
  }
}
template <class Stream>
std::uint64_t send_file(Stream& to, const file& from, std::uint64_t offset = 0, std::uint64_t count = to_end,
                        const stop_token& stop = {}) {
  std::error_code ec;
  const std::uint64_t sent = sennit::send_file(to, from, offset, count, ec, stop);
  if (ec) throw std::system_error(ec, "sennit: send_file of " + from.path());
  return sent;
}

/// Reads `count` bytes from a stream, or all up to its end, into the file from `offset` on; returns how many are in the
/// file, fewer than asked for if the stream ends before. On an error of the file, what was read for the write that
/// failed is lost. Deadlines, token, errors and threads as of send_file, the other way round.
template <class Stream>
std::uint64_t receive_file(Stream& from, file& into, std::uint64_t offset, std::uint64_t count, std::error_code& ec,
                           const stop_token& stop = {}) {
  const auto part = detail::part_buffer::make(ec);
  if (!ec) ec = detail::file_access::refusal(into, offset, true);  // before anything is read
  return detail::by_parts(count, ec, [&](std::size_t most, std::uint64_t done) -> std::size_t {
    const std::size_t n = from.read_some(part->first(most), ec, stop);
    return ec || n == 0 ? 0 : into.write_at(part->first(n), offset + done, ec, stop);
  });
}
template <class Stream>
std::uint64_t receive_file(Stream& from, file& into, std::uint64_t offset = 0, std::uint64_t count = to_end,
                           const stop_token& stop = {}) {
  std::error_code ec;
  const std::uint64_t received = sennit::receive_file(from, into, offset, count, ec, stop);
  if (ec) throw std::system_error(ec, "sennit: receive_file into " + into.path());
  return received;
}

}  // namespace sennit::inline v0

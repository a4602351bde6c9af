#pragma once
// Streams of bytes: what TCP, Unix streams and pipes have in common.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <system_error>

#include <sennit/detail/buffer_list.hpp>
#include <sennit/detail/io_handle.hpp>
#include <sennit/endpoint.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0 {
class file;

/// As a count of bytes: all that there are.
inline constexpr std::uint64_t to_end = std::numeric_limits<std::uint64_t>::max();
}  // namespace sennit::inline v0

namespace sennit::inline v0::detail {

/// A stream that can be read and written. Movable handle. One fiber may read while another writes; several readers
/// (writers) queue. close() may come from any fiber or thread: who waits gets bad_file_descriptor. All operations are
/// ambient cancellation points; that stop and the token's end them with operation_canceled. Errors of the peer:
/// connection_reset, broken_pipe and so on. What is thrown names the operation and, where it is known, the peer.
class byte_stream : public io_object {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  /// Reads what is there, at least one byte; 0 at the end of the stream (or for an empty buffer).
  SENNIT_API std::size_t read_some(buffer into, const stop_token& stop = {});
  SENNIT_API std::size_t read_some(buffer into, std::error_code& ec, const stop_token& stop = {});
  /// The same into several buffers, the first one first, in one system call. It takes up to 256 buffers that are not
  /// empty, and leaves the others as they are.
  SENNIT_API std::size_t read_some(buffer_list<buffer> into, const stop_token& stop = {});
  SENNIT_API std::size_t read_some(buffer_list<buffer> into, std::error_code& ec, const stop_token& stop = {});
  /// Reads until `into` is full; error::end_of_stream if the stream ends before (the count says how much came).
  SENNIT_API std::size_t read_exact(buffer into, const stop_token& stop = {});
  SENNIT_API std::size_t read_exact(buffer into, std::error_code& ec, const stop_token& stop = {});
  /// Writes at least one byte, unless `from` is empty.
  SENNIT_API std::size_t write_some(const_buffer from, const stop_token& stop = {});
  SENNIT_API std::size_t write_some(const_buffer from, std::error_code& ec, const stop_token& stop = {});
  /// The same from several buffers, in one system call of up to 256 of them.
  SENNIT_API std::size_t write_some(buffer_list<const_buffer> from, const stop_token& stop = {});
  SENNIT_API std::size_t write_some(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop = {});
  /// Writes everything; on an error the count says how much went out.
  SENNIT_API std::size_t write_all(const_buffer from, const stop_token& stop = {});
  SENNIT_API std::size_t write_all(const_buffer from, std::error_code& ec, const stop_token& stop = {});
  /// The same from any number of buffers, in as few system calls as the peer's pace allows.
  SENNIT_API std::size_t write_all(buffer_list<const_buffer> from, const stop_token& stop = {});
  SENNIT_API std::size_t write_all(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop = {});

  /// Sends `count` bytes of the file from `offset` on, or all up to its end; returns how many went out, fewer than
  /// asked for if the file ends before. On an error it is that many, too. The file's position plays no part. What is in
  /// memory goes by sendfile(2), without a copy: a file that is changed meanwhile, or soon after, may arrive in part as
  /// it was and in part as it is. A worker never waits for the file's device; deadline and token of this call bound
  /// that wait as they do that for the peer. Errors beside those of write_all and of reading the file: invalid_seek
  /// (the file is a FIFO, terminal or socket), invalid_argument (an offset beyond 2^63 - 1), bad_file_descriptor (the
  /// file is closed, or not open for reading). What is thrown names the file.
  SENNIT_API std::uint64_t send_file(const file& from, std::uint64_t offset = 0, std::uint64_t count = to_end,
                                     const stop_token& stop = {});
  SENNIT_API std::uint64_t send_file(const file& from, std::uint64_t offset, std::uint64_t count, std::error_code& ec,
                                     const stop_token& stop = {});
  /// Reads `count` bytes, or all up to the end of the stream, into the file from `offset` on; returns how many are in
  /// the file, fewer than asked for if the stream ends before. Never reads more than that. On an error of the file,
  /// what was read for the write that failed is lost. Errors beside those of read_some: those of file::write_at, as
  /// no_space_on_device. What no write could go to is told before anything is read: invalid_seek (a FIFO, terminal or
  /// socket), invalid_argument (an offset beyond 2^63 - 1, a file that appends), bad_file_descriptor (closed, or not
  /// open for writing).
  SENNIT_API std::uint64_t receive_file(file& into, std::uint64_t offset = 0, std::uint64_t count = to_end,
                                        const stop_token& stop = {});
  SENNIT_API std::uint64_t receive_file(file& into, std::uint64_t offset, std::uint64_t count, std::error_code& ec,
                                        const stop_token& stop = {});

 protected:
  byte_stream() noexcept = default;
  explicit byte_stream(io_handle handle) noexcept : io_object(std::move(handle)) {}
};

/// A stream that is a socket.
class socket_stream : public byte_stream {
 public:
  /// Half-close: the peer reads the end of the stream; reading goes on.
  SENNIT_API void shutdown_send(std::error_code& ec) noexcept;
  SENNIT_API void shutdown_send();

  /// How many bytes the kernel may hold for this socket in that direction. It doubles what it is told, and bounds it
  /// (net.core.wmem_max, rmem_max). Throws std::system_error.
  SENNIT_API void set_send_buffer(std::size_t bytes);
  SENNIT_API void set_receive_buffer(std::size_t bytes);
  [[nodiscard]] SENNIT_API std::size_t send_buffer() const;
  [[nodiscard]] SENNIT_API std::size_t receive_buffer() const;

  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;
  [[nodiscard]] SENNIT_API endpoint remote_endpoint() const;

 protected:
  socket_stream() noexcept = default;
  explicit socket_stream(io_handle handle) noexcept : byte_stream(std::move(handle)) {}
};

}  // namespace sennit::inline v0::detail

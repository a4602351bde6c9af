#pragma once
// Pipes in blocking style: a call that cannot go on parks the fiber (on a plain thread: blocks the thread).
#include <sennit/detail/byte_stream.hpp>

namespace sennit::inline v0 {

/// The end of a pipe that is read; detail::byte_stream says how. The end of the stream comes when every descriptor of
/// the other end is closed.
class pipe_reader : private detail::byte_stream {
 public:
  pipe_reader() noexcept = default;
  using byte_stream::close;
  using byte_stream::expires_after;
  using byte_stream::expires_at;
  using byte_stream::expires_never;
  using byte_stream::is_open;
  using byte_stream::native_handle;
  using byte_stream::read_exact;
  using byte_stream::read_some;
  using byte_stream::receive_file;
  using byte_stream::release;

  /// Adopts the descriptor of a pipe's end, which it makes non-blocking, for all who share it, and owns from then on.
  /// Throws on a bad descriptor.
  SENNIT_API static pipe_reader adopt(int fd);

 private:
  friend struct detail::select_access;
  friend struct pipe;
  explicit pipe_reader(detail::io_handle handle) noexcept : byte_stream(std::move(handle)) {}
};

/// The end of a pipe that is written; detail::byte_stream says how. Without a reader left: broken_pipe, and no SIGPIPE.
class pipe_writer : private detail::byte_stream {
 public:
  pipe_writer() noexcept = default;
  using byte_stream::close;
  using byte_stream::expires_after;
  using byte_stream::expires_at;
  using byte_stream::expires_never;
  using byte_stream::is_open;
  using byte_stream::native_handle;
  using byte_stream::release;
  using byte_stream::send_file;
  using byte_stream::write_all;
  using byte_stream::write_some;

  /// As pipe_reader::adopt().
  SENNIT_API static pipe_writer adopt(int fd);

 private:
  friend struct detail::select_access;
  friend struct pipe;
  explicit pipe_writer(detail::io_handle handle) noexcept : byte_stream(std::move(handle)) {}
};

/// Both ends of a new pipe. What one writes the other reads.
struct pipe {
  /// Throws std::system_error: too_many_files_open, too_many_files_open_in_system.
  SENNIT_API static pipe open();
  SENNIT_API static pipe open(std::error_code& ec);

  pipe_reader reader;
  pipe_writer writer;
};

}  // namespace sennit::inline v0

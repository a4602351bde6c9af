#pragma once
// Standard input, output and error, and terminals, as streams. Their flags stay as they are: who shares them with this
// process, a shell for one, notices nothing.
#include <sennit/detail/byte_stream.hpp>

namespace sennit::inline v0 {

class standard_stream;

/// The terminal that this process belongs to (/dev/tty), wherever its standard descriptors lead. Throws
/// std::system_error: no_such_device_or_address if there is none.
[[nodiscard]] SENNIT_API standard_stream open_terminal();
[[nodiscard]] SENNIT_API standard_stream open_terminal(std::error_code& ec);

/// A descriptor that this process was given and shares with others; detail::byte_stream says how it reads and writes,
/// in the direction that it is open for. It works on a duplicate, so that close() leaves the original alone, and two of
/// them on one descriptor do not know of each other.
///
/// What it does depends on what the descriptor is:
/// - a terminal is opened a second time, as a description of its own that can be made non-blocking; where that is not
///   allowed it is read as a pipe is;
/// - pipes, sockets and other devices are read and written only when they are ready. If another process takes what was
///   there at the same moment, the kernel is asked not to wait (RWF_NOWAIT); where it does not know that (terminals
///   that could not be opened, other systems than Linux, pipes before Linux 6.4) the call then blocks the worker, and a
///   write there is of 512 bytes at most, which every pipe that is ready has room for;
/// - regular files are read and written as `file` does it, at the position that all who share them have, and are never
///   waited for on a worker.
class standard_stream : public detail::byte_stream {
 public:
  standard_stream() noexcept = default;

  /// Throws std::system_error: bad_file_descriptor if it is closed, too_many_files_open, is_a_directory.
  SENNIT_API static standard_stream open(int fd);
  SENNIT_API static standard_stream open(int fd, std::error_code& ec);

  /// Whether it is a terminal.
  [[nodiscard]] bool is_terminal() const noexcept { return terminal_; }

 private:
  friend standard_stream open_terminal(std::error_code& ec);
  standard_stream(detail::io_handle handle, bool terminal) noexcept
      : byte_stream(std::move(handle)), terminal_(terminal) {}

  bool terminal_ = false;
};

/// Descriptors 0, 1 and 2, whatever they are now. Nothing is buffered here: buffered_reader, buffered_writer and
/// sennit::iostream do that. Do not mix reading with std::cin's, which has a buffer of its own. Throw as open().
[[nodiscard]] inline standard_stream standard_input() { return standard_stream::open(0); }
[[nodiscard]] inline standard_stream standard_output() { return standard_stream::open(1); }
[[nodiscard]] inline standard_stream standard_error() { return standard_stream::open(2); }

}  // namespace sennit::inline v0

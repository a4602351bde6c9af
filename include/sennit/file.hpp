#pragma once
// Files in blocking style: a call that must wait for the device parks the fiber; the worker goes on. Below it is
// io_uring where that works, else helper threads, with the same results (docs/io.md).
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <sennit/detail/io_handle.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/error.hpp>
#include <sennit/file_status.hpp>

namespace sennit::inline v0 {
namespace detail {
struct file_access;
}

/// How a file is opened; combine with |.
enum class open_mode : unsigned {
  read = 1,
  write = 2,
  read_write = 3,
  append = 4 | 2,  ///< each write goes to the end, wherever others have moved it
  create = 8,      ///< makes the file if it is not there
  exclusive = 16,  ///< with create: fails with file_exists if it is
  truncate = 32,   ///< empties it
  sync = 64,       ///< a write returns when the device has it
  directory = 128  ///< fails with not_a_directory if it is none
};
constexpr open_mode operator|(open_mode a, open_mode b) noexcept {
  return static_cast<open_mode>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool operator&(open_mode a, open_mode b) noexcept {
  return (static_cast<unsigned>(a) & static_cast<unsigned>(b)) == static_cast<unsigned>(b);
}

/// An open file. Movable handle. Any number of fibers and threads may read and write at once, at offsets of their own;
/// the position that read_some() and write_some() use is one for all.
///
/// All calls that may touch the device are ambient cancellation points; that stop and the token's give
/// operation_canceled, expires_after()'s deadline error::deadline_passed. One that comes before the call has begun ends
/// it. Later it cancels what can be cancelled, and the fiber is back when the system has let go of its buffers: a call
/// that succeeded nevertheless says so. A read of what is in memory waits for nothing, so nothing ends it. On a plain
/// thread the calls block it, and only begin before the deadline.
///
/// FIFOs, terminals and sockets opened by their names are streams: they have a position only in the sense that bytes
/// come in order (read_at: invalid_seek), wait for readiness, and are woken by deadline, stop and close() at any time.
/// Opening a FIFO waits for its other end.
///
/// close() waits for calls that are under way. What the device refuses afterwards nobody hears of: sync() before, if it
/// matters. The descriptor is non-blocking only if it is a stream.
///
/// Errors: bad_file_descriptor (closed; not open for this), is_a_directory, no_space_on_device, file_too_large,
/// io_error, invalid_argument (an offset beyond 2^63 - 1), not_enough_memory. What is thrown names call and path.
class file : public detail::io_object {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  file() noexcept = default;

  /// Opens `path`. A new file gets `permissions`, less the umask. Throws std::system_error: no_such_file_or_directory,
  /// permission_denied, file_exists, not_a_directory, is_a_directory, too_many_files_open, ...; invalid_argument for a
  /// path with a NUL in it, and for a mode with neither read nor write.
  SENNIT_API static file open(const std::string& path, open_mode mode = open_mode::read, unsigned permissions = 0666,
                              const stop_token& stop = {});
  static file open(const std::string& path, open_mode mode, unsigned permissions, std::error_code& ec,
                   const stop_token& stop = {}) {
    return open_before(path, mode, permissions, {.stop = &stop}, ec);
  }
  static file open(const std::string& path, open_mode mode, std::error_code& ec, const stop_token& stop = {}) {
    return open_before(path, mode, 0666, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  static file open(const std::string& path, open_mode mode, unsigned permissions,
                   const std::chrono::time_point<Clock, Duration>& deadline, std::error_code& ec,
                   const stop_token& stop = {}) {
    return open_before(path, mode, permissions, {detail::deadline_at(deadline), &stop}, ec);
  }
  /// Adopts an open descriptor, which it owns from then on and, if it is a stream, makes non-blocking. `name` is for
  /// messages. Throws bad_file_descriptor.
  SENNIT_API static file adopt(int fd, std::string name);

  /// Reads at `offset` until `into` is full or the file ends: fewer bytes mean that it ended.
  std::size_t read_at(buffer into, std::uint64_t offset, const stop_token& stop = {}) const {
    return read({&into, 1}, offset_of(offset), true, nullptr, stop);
  }
  std::size_t read_at(buffer into, std::uint64_t offset, std::error_code& ec, const stop_token& stop = {}) const {
    return read({&into, 1}, offset_of(offset), true, &ec, stop);
  }
  /// The same into several buffers, one after the other.
  std::size_t read_at(std::span<const buffer> into, std::uint64_t offset, const stop_token& stop = {}) const {
    return read(into, offset_of(offset), true, nullptr, stop);
  }
  std::size_t read_at(std::span<const buffer> into, std::uint64_t offset, std::error_code& ec,
                      const stop_token& stop = {}) const {
    return read(into, offset_of(offset), true, &ec, stop);
  }
  /// Reads what one call gives, at least one byte; 0 at the end (or for an empty buffer).
  std::size_t read_some_at(buffer into, std::uint64_t offset, const stop_token& stop = {}) const {
    return read({&into, 1}, offset_of(offset), false, nullptr, stop);
  }
  std::size_t read_some_at(buffer into, std::uint64_t offset, std::error_code& ec, const stop_token& stop = {}) const {
    return read({&into, 1}, offset_of(offset), false, &ec, stop);
  }

  /// Writes everything at `offset`; on an error the count says how much was written. Beyond the end: the gap reads as
  /// zeros. invalid_argument if the file was opened to append.
  std::size_t write_at(const_buffer from, std::uint64_t offset, const stop_token& stop = {}) {
    return write({&from, 1}, offset_of(offset), true, nullptr, stop);
  }
  std::size_t write_at(const_buffer from, std::uint64_t offset, std::error_code& ec, const stop_token& stop = {}) {
    return write({&from, 1}, offset_of(offset), true, &ec, stop);
  }
  /// The same from several buffers, one after the other.
  std::size_t write_at(std::span<const const_buffer> from, std::uint64_t offset, const stop_token& stop = {}) {
    return write(from, offset_of(offset), true, nullptr, stop);
  }
  std::size_t write_at(std::span<const const_buffer> from, std::uint64_t offset, std::error_code& ec,
                       const stop_token& stop = {}) {
    return write(from, offset_of(offset), true, &ec, stop);
  }
  /// Writes what one call takes.
  std::size_t write_some_at(const_buffer from, std::uint64_t offset, const stop_token& stop = {}) {
    return write({&from, 1}, offset_of(offset), false, nullptr, stop);
  }
  std::size_t write_some_at(const_buffer from, std::uint64_t offset, std::error_code& ec, const stop_token& stop = {}) {
    return write({&from, 1}, offset_of(offset), false, &ec, stop);
  }

  /// Writes everything at the end; one system call unless the disk is full, so records do not mix with those of other
  /// writers. Needs open_mode::append, else invalid_argument.
  std::size_t append(const_buffer from, const stop_token& stop = {}) {
    return write({&from, 1}, at_end, true, nullptr, stop);
  }
  std::size_t append(const_buffer from, std::error_code& ec, const stop_token& stop = {}) {
    return write({&from, 1}, at_end, true, &ec, stop);
  }
  std::size_t append(std::span<const const_buffer> from, const stop_token& stop = {}) {
    return write(from, at_end, true, nullptr, stop);
  }
  std::size_t append(std::span<const const_buffer> from, std::error_code& ec, const stop_token& stop = {}) {
    return write(from, at_end, true, &ec, stop);
  }

  /// As a stream, at the file's position, which moves on: read_some gives 0 at the end.
  std::size_t read_some(buffer into, const stop_token& stop = {}) {
    return read({&into, 1}, at_position, false, nullptr, stop);
  }
  std::size_t read_some(buffer into, std::error_code& ec, const stop_token& stop = {}) {
    return read({&into, 1}, at_position, false, &ec, stop);
  }
  /// Until `into` is full; error::end_of_stream if the file ends before (the count says how much came).
  SENNIT_API std::size_t read_exact(buffer into, const stop_token& stop = {});
  SENNIT_API std::size_t read_exact(buffer into, std::error_code& ec, const stop_token& stop = {});
  std::size_t write_some(const_buffer from, const stop_token& stop = {}) {
    return write({&from, 1}, at_position, false, nullptr, stop);
  }
  std::size_t write_some(const_buffer from, std::error_code& ec, const stop_token& stop = {}) {
    return write({&from, 1}, at_position, false, &ec, stop);
  }
  std::size_t write_all(const_buffer from, const stop_token& stop = {}) {
    return write({&from, 1}, at_position, true, nullptr, stop);
  }
  std::size_t write_all(const_buffer from, std::error_code& ec, const stop_token& stop = {}) {
    return write({&from, 1}, at_position, true, &ec, stop);
  }

  /// Moves the position and returns it: from the start, from where it is, from the end. Streams: invalid_seek.
  enum class origin : std::uint8_t { start, position, end };
  SENNIT_API std::uint64_t seek(std::int64_t offset, origin where = origin::start);
  SENNIT_API std::uint64_t seek(std::int64_t offset, origin where, std::error_code& ec);

  /// Returns when the device has what was written. sync_data() leaves out what is not needed to read it again, such as
  /// the time of change. An error may be that of an earlier write, and is reported once.
  SENNIT_API void sync(const stop_token& stop = {});
  SENNIT_API void sync(std::error_code& ec, const stop_token& stop = {});
  SENNIT_API void sync_data(const stop_token& stop = {});
  SENNIT_API void sync_data(std::error_code& ec, const stop_token& stop = {});

  /// Cuts the file, or adds zeros, to have `size` bytes. The position stays.
  SENNIT_API void resize(std::uint64_t size, const stop_token& stop = {});
  SENNIT_API void resize(std::uint64_t size, std::error_code& ec, const stop_token& stop = {});

  [[nodiscard]] SENNIT_API file_status status(const stop_token& stop = {}) const;
  [[nodiscard]] SENNIT_API file_status status(std::error_code& ec, const stop_token& stop = {}) const;
  [[nodiscard]] std::uint64_t size(const stop_token& stop = {}) const { return status(stop).size; }
  [[nodiscard]] std::uint64_t size(std::error_code& ec, const stop_token& stop = {}) const {
    return status(ec, stop).size;
  }

  /// As it was opened.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  friend struct detail::file_access;

  // In place of an offset.
  static constexpr std::int64_t at_position = -1;
  static constexpr std::int64_t at_end = -2;
  static constexpr std::int64_t bad_offset = -3;
  static constexpr std::int64_t offset_of(std::uint64_t offset) noexcept {
    return offset <= INT64_MAX ? static_cast<std::int64_t>(offset) : bad_offset;
  }

  SENNIT_API static file open_before(const std::string& path, open_mode mode, unsigned permissions,
                                     detail::wait_bound until, std::error_code& ec);
  /// Until all is done (or the file ends) with `whole`, else one call. Throws if `ec` is null.
  SENNIT_API std::size_t read(std::span<const buffer> into, std::int64_t offset, bool whole, std::error_code* ec,
                              const stop_token& stop) const;
  SENNIT_API std::size_t write(std::span<const const_buffer> from, std::int64_t offset, bool whole, std::error_code* ec,
                               const stop_token& stop) const;
  std::ptrdiff_t sync_now(bool data_only, const stop_token& stop) const noexcept;
  void fail(const std::error_code& ec, const char* call) const;

  std::string path_;
  bool stream_ = false;
  bool append_ = false;
};

}  // namespace sennit::inline v0

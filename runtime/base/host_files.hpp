#pragma once
// The host's calls on files and directories: those that may block for as long as a device takes, so that nobody makes
// them on a worker but where a comment says why.
#include <sys/stat.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace sennit::inline v0::detail {

/// As host: any thread, in parallel; what the system call returns, or -errno.
class file_calls {
 public:
  virtual ~file_calls() = default;

  virtual int open(const char* path, int flags, unsigned permissions) noexcept;  // adds O_CLOEXEC
  /// What of it can be done without waiting for a device: EAGAIN where nothing can, EOPNOTSUPP where that cannot be
  /// told.
  static constexpr int in_memory = 1;
  /// At `offset`; -1: at the file's own position, which it moves. `flags`: 0 or in_memory.
  virtual std::ptrdiff_t readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept;
  virtual std::ptrdiff_t writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept;
  /// sendfile(2): `size` bytes of `file` from `offset` on, as far as one call gets without waiting for `to`. It waits
  /// for the file's device, and may raise SIGPIPE. -ENOSYS: this system has none that is used.
  virtual std::ptrdiff_t send_file(int to, int file, std::int64_t offset, std::size_t size) noexcept;
  virtual std::int64_t seek(int fd, std::int64_t offset, int whence) noexcept;
  virtual int sync(int fd, bool data_only) noexcept;
  virtual int resize(int fd, std::int64_t size) noexcept;
  virtual int status(int fd, struct stat& into) noexcept;
  virtual int status(const char* path, bool follow, struct stat& into) noexcept;
  virtual int flags(int fd) noexcept;  // O_*
  virtual int set_nonblocking(int fd) noexcept;
  virtual int rename(const char* from, const char* to) noexcept;
  virtual int unlink(const char* path) noexcept;
  virtual int rmdir(const char* path) noexcept;
  virtual int mkdir(const char* path, unsigned permissions) noexcept;
  /// Entries of an open directory as directory_records (base/directory_record.hpp).
  virtual std::ptrdiff_t list(int fd, void* into, std::size_t size) noexcept;
  virtual bool is_terminal(int fd) noexcept;
  /// The terminal of `fd` once more, non-blocking and close-on-exec; `access` is O_RDONLY or one of the others. -ENOTTY
  /// if it has no name, as the master of a pseudo-terminal.
  virtual int reopen_terminal(int fd, int access) noexcept;
};

}  // namespace sennit::inline v0::detail

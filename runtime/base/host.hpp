#pragma once
// The host seam: everything of the outside world that a fiber's code reaches goes through this table. The base class is
// the system; tests override single functions to inject faults, a simulation overrides all of them.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

struct mmsghdr;
struct pollfd;

namespace sennit::inline v0::detail {

class file_calls;     // base/host_files.hpp
class process_calls;  // base/host_processes.hpp

/// Shared by all workers of a runtime, so every function may run on any thread and in parallel. The calls return what
/// the system call returns, or -errno: errno itself is a thread_local and never part of a contract.
class host {
 public:
  virtual ~host() = default;

  virtual std::ptrdiff_t read(int fd, void* data, std::size_t size) noexcept;
  virtual std::ptrdiff_t write(int fd, const void* data, std::size_t size) noexcept;
  virtual std::ptrdiff_t recv(int fd, void* data, std::size_t size) noexcept;
  virtual std::ptrdiff_t send(int fd, const void* data, std::size_t size) noexcept;  // never raises SIGPIPE
  virtual std::ptrdiff_t recvmsg(int fd, msghdr* message) noexcept;
  virtual std::ptrdiff_t sendmsg(int fd, const msghdr* message) noexcept;   // never raises SIGPIPE
  virtual int socket(int family, int type, int protocol) noexcept;          // adds SOCK_CLOEXEC | SOCK_NONBLOCK
  virtual int accept(int fd, sockaddr* address, socklen_t* size) noexcept;  // close-on-exec, non-blocking
  virtual int connect(int fd, const sockaddr* address, socklen_t size) noexcept;
  virtual int bind(int fd, const sockaddr* address, socklen_t size) noexcept;
  virtual int listen(int fd, int backlog) noexcept;
  virtual int shutdown(int fd, int how) noexcept;
  virtual int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept;
  virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept;
  virtual int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept;
  virtual int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept;
  virtual int close(int fd) noexcept;
  virtual std::ptrdiff_t readv(int fd, const iovec* parts, std::size_t count) noexcept;
  virtual std::ptrdiff_t writev(int fd, const iovec* parts, std::size_t count) noexcept;
  /// The number of messages received or sent, as far as one call gets without waiting; never raises SIGPIPE.
  virtual std::ptrdiff_t recvmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept;
  virtual std::ptrdiff_t sendmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept;
  virtual int socketpair(int family, int type, int ends[2]) noexcept;  // close-on-exec, non-blocking
  virtual int pipe(int ends[2]) noexcept;                              // close-on-exec, non-blocking
  virtual int unlink(const char* path) noexcept;
  /// Is there a socket at that path, itself and not by a symbolic link?
  virtual bool is_socket(const char* path) noexcept;
  /// For plain threads that do I/O: blocks until an event or `deadline`.
  virtual int poll(pollfd* fds, std::size_t count, nanos deadline) noexcept;
  /// Steady clock.
  virtual nanos now() noexcept;
  /// Seed for schedulers; not for secrets.
  virtual std::uint64_t random() noexcept;
  /// Files and directories; children and signals: a table each.
  virtual file_calls& files() noexcept;
  virtual process_calls& processes() noexcept;
};

/// The system. Constant for the life of the process.
host& system_host() noexcept;

}  // namespace sennit::inline v0::detail

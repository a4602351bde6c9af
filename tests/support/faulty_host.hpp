#pragma once
// A host that makes one system call fail, as its manual page says it may: which call, the how-manieth, with what error.
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/host.hpp"
#include "base/host_files.hpp"
#include "base/host_processes.hpp"

namespace sennit::test {

/// The calls of the host's three tables.
enum class host_call : std::uint8_t {
  read,
  write,
  recv,
  send,
  recvmsg,
  sendmsg,
  socket,
  accept,
  connect,
  bind,
  listen,
  shutdown,
  getsockopt,
  setsockopt,
  getsockname,
  getpeername,
  close,
  readv,
  writev,
  recvmmsg,
  sendmmsg,
  socketpair,
  pipe,
  unlink,
  poll,
  file_open,
  file_readv,
  file_readv_nowait,
  file_writev,
  file_send,
  file_seek,
  file_sync,
  file_resize,
  file_fstat,
  file_stat,
  file_flags,
  file_set_nonblocking,
  file_rename,
  file_unlink,
  file_rmdir,
  file_mkdir,
  file_list,
  signal_fd,
  take_signal,
  child_pipe,
  spawn,
  pid_fd,
  wait,
  signal_child,
  duplicate_above,
  count
};

/// Every call is counted; the one that is armed fails once. What the kernel would have done to a descriptor is done:
/// close() closes it all the same. Any thread.
class faulty_host final : public detail::host {
 public:
  /// The `nth` call of that kind from now on, counted from 0, fails with `error`. Counting begins anew.
  void arm(host_call what, std::size_t nth, int error) {
    for (auto& n : counts_) n = 0;
    nth_ = nth;
    error_ = error;
    hit_ = false;
    armed_ = what;
  }
  /// Nothing fails; counting begins anew.
  void disarm() { arm(host_call::count, 0, 0); }
  [[nodiscard]] bool hit() const noexcept { return hit_; }
  [[nodiscard]] std::size_t calls(host_call what) const noexcept { return counts_[static_cast<std::size_t>(what)]; }
  /// How many descriptors were closed that were not open: twice, or somebody else's.
  [[nodiscard]] std::size_t bad_closes() const noexcept { return bad_closes_; }

  std::ptrdiff_t read(int fd, void* data, std::size_t size) noexcept override {
    return fails(host_call::read) ? -error_ : host::read(fd, data, size);
  }
  std::ptrdiff_t write(int fd, const void* data, std::size_t size) noexcept override {
    return fails(host_call::write) ? -error_ : host::write(fd, data, size);
  }
  std::ptrdiff_t recv(int fd, void* data, std::size_t size) noexcept override {
    return fails(host_call::recv) ? -error_ : host::recv(fd, data, size);
  }
  std::ptrdiff_t send(int fd, const void* data, std::size_t size) noexcept override {
    return fails(host_call::send) ? -error_ : host::send(fd, data, size);
  }
  std::ptrdiff_t recvmsg(int fd, msghdr* message) noexcept override {
    return fails(host_call::recvmsg) ? -error_ : host::recvmsg(fd, message);
  }
  std::ptrdiff_t sendmsg(int fd, const msghdr* message) noexcept override {
    return fails(host_call::sendmsg) ? -error_ : host::sendmsg(fd, message);
  }
  int socket(int family, int type, int protocol) noexcept override {
    return fails(host_call::socket) ? -error_ : host::socket(family, type, protocol);
  }
  int accept(int fd, sockaddr* address, socklen_t* size) noexcept override {
    return fails(host_call::accept) ? -error_ : host::accept(fd, address, size);
  }
  int connect(int fd, const sockaddr* address, socklen_t size) noexcept override {
    if (!fails(host_call::connect)) return host::connect(fd, address, size);
    // A signal does not stop the handshake that has begun.
    if (error_ == EINTR && address->sa_family != AF_UNIX) static_cast<void>(host::connect(fd, address, size));
    return -error_;
  }
  int bind(int fd, const sockaddr* address, socklen_t size) noexcept override {
    return fails(host_call::bind) ? -error_ : host::bind(fd, address, size);
  }
  int listen(int fd, int backlog) noexcept override {
    return fails(host_call::listen) ? -error_ : host::listen(fd, backlog);
  }
  int shutdown(int fd, int how) noexcept override {
    return fails(host_call::shutdown) ? -error_ : host::shutdown(fd, how);
  }
  int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept override {
    return fails(host_call::getsockopt) ? -error_ : host::getsockopt(fd, level, name, value, size);
  }
  int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept override {
    return fails(host_call::setsockopt) ? -error_ : host::setsockopt(fd, level, name, value, size);
  }
  int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept override {
    return fails(host_call::getsockname) ? -error_ : host::getsockname(fd, address, size);
  }
  int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept override {
    return fails(host_call::getpeername) ? -error_ : host::getpeername(fd, address, size);
  }
  int close(int fd) noexcept override {
    const int result = host::close(fd);
    if (result == -EBADF) ++bad_closes_;
    return fails(host_call::close) ? -error_ : result;
  }
  std::ptrdiff_t readv(int fd, const iovec* parts, std::size_t count) noexcept override {
    return fails(host_call::readv) ? -error_ : host::readv(fd, parts, count);
  }
  std::ptrdiff_t writev(int fd, const iovec* parts, std::size_t count) noexcept override {
    return fails(host_call::writev) ? -error_ : host::writev(fd, parts, count);
  }
  std::ptrdiff_t recvmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept override {
    return fails(host_call::recvmmsg) ? -error_ : host::recvmmsg(fd, messages, count);
  }
  std::ptrdiff_t sendmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept override {
    return fails(host_call::sendmmsg) ? -error_ : host::sendmmsg(fd, messages, count);
  }
  int socketpair(int family, int type, int ends[2]) noexcept override {
    return fails(host_call::socketpair) ? -error_ : host::socketpair(family, type, ends);
  }
  int pipe(int ends[2]) noexcept override { return fails(host_call::pipe) ? -error_ : host::pipe(ends); }
  int unlink(const char* path) noexcept override { return fails(host_call::unlink) ? -error_ : host::unlink(path); }
  int poll(pollfd* fds, std::size_t count, detail::nanos deadline) noexcept override {
    return fails(host_call::poll) ? -error_ : host::poll(fds, count, deadline);
  }
  detail::file_calls& files() noexcept override { return files_; }
  detail::process_calls& processes() noexcept override { return processes_; }

 private:
  struct files_that_fail final : detail::file_calls {
    explicit files_that_fail(faulty_host& h) : outside(h) {}
    int open(const char* path, int flags, unsigned permissions) noexcept override {
      return outside.fails(host_call::file_open) ? -outside.error_ : file_calls::open(path, flags, permissions);
    }
    std::ptrdiff_t readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      return outside.fails(flags != 0 ? host_call::file_readv_nowait : host_call::file_readv)
                 ? -outside.error_
                 : file_calls::readv(fd, parts, count, offset, flags);
    }
    std::ptrdiff_t writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      return outside.fails(host_call::file_writev) ? -outside.error_
                                                   : file_calls::writev(fd, parts, count, offset, flags);
    }
    std::ptrdiff_t send_file(int to, int fd, std::int64_t offset, std::size_t size) noexcept override {
      return outside.fails(host_call::file_send) ? -outside.error_ : file_calls::send_file(to, fd, offset, size);
    }
    std::int64_t seek(int fd, std::int64_t offset, int whence) noexcept override {
      return outside.fails(host_call::file_seek) ? -outside.error_ : file_calls::seek(fd, offset, whence);
    }
    int sync(int fd, bool data_only) noexcept override {
      return outside.fails(host_call::file_sync) ? -outside.error_ : file_calls::sync(fd, data_only);
    }
    int resize(int fd, std::int64_t size) noexcept override {
      return outside.fails(host_call::file_resize) ? -outside.error_ : file_calls::resize(fd, size);
    }
    int status(int fd, struct stat& into) noexcept override {
      return outside.fails(host_call::file_fstat) ? -outside.error_ : file_calls::status(fd, into);
    }
    int status(const char* path, bool follow, struct stat& into) noexcept override {
      return outside.fails(host_call::file_stat) ? -outside.error_ : file_calls::status(path, follow, into);
    }
    int flags(int fd) noexcept override {
      return outside.fails(host_call::file_flags) ? -outside.error_ : file_calls::flags(fd);
    }
    int set_nonblocking(int fd) noexcept override {
      return outside.fails(host_call::file_set_nonblocking) ? -outside.error_ : file_calls::set_nonblocking(fd);
    }
    int rename(const char* from, const char* to) noexcept override {
      return outside.fails(host_call::file_rename) ? -outside.error_ : file_calls::rename(from, to);
    }
    int unlink(const char* path) noexcept override {
      return outside.fails(host_call::file_unlink) ? -outside.error_ : file_calls::unlink(path);
    }
    int rmdir(const char* path) noexcept override {
      return outside.fails(host_call::file_rmdir) ? -outside.error_ : file_calls::rmdir(path);
    }
    int mkdir(const char* path, unsigned permissions) noexcept override {
      return outside.fails(host_call::file_mkdir) ? -outside.error_ : file_calls::mkdir(path, permissions);
    }
    std::ptrdiff_t list(int fd, void* into, std::size_t size) noexcept override {
      return outside.fails(host_call::file_list) ? -outside.error_ : file_calls::list(fd, into, size);
    }
    faulty_host& outside;
  };

  struct processes_that_fail final : detail::process_calls {
    explicit processes_that_fail(faulty_host& h) : outside(h) {}
    int signal_fd(const sigset_t& signals) noexcept override {
      return outside.fails(host_call::signal_fd) ? -outside.error_ : process_calls::signal_fd(signals);
    }
    int take_signal(int fd, detail::signal_record& into) noexcept override {
      return outside.fails(host_call::take_signal) ? -outside.error_ : process_calls::take_signal(fd, into);
    }
    int pipe(int ends[2]) noexcept override {
      return outside.fails(host_call::child_pipe) ? -outside.error_ : process_calls::pipe(ends);
    }
    int spawn(pid_t& child, const char* program, bool search, const posix_spawn_file_actions_t& actions,
              const posix_spawnattr_t& attributes, char* const* arguments, char* const* environment) noexcept override {
      if (outside.fails(host_call::spawn)) return -outside.error_;
      return process_calls::spawn(child, program, search, actions, attributes, arguments, environment);
    }
    int pid_fd(pid_t child) noexcept override {
      return outside.fails(host_call::pid_fd) ? -outside.error_ : process_calls::pid_fd(child);
    }
    int wait(pid_t child, int pid_fd, siginfo_t& into, int options) noexcept override {
      return outside.fails(host_call::wait) ? -outside.error_ : process_calls::wait(child, pid_fd, into, options);
    }
    int signal_child(int pid_fd, pid_t child, int signal) noexcept override {
      if (outside.fails(host_call::signal_child)) return -outside.error_;
      return process_calls::signal_child(pid_fd, child, signal);
    }
    int duplicate_above(int fd, int least) noexcept override {
      return outside.fails(host_call::duplicate_above) ? -outside.error_ : process_calls::duplicate_above(fd, least);
    }
    faulty_host& outside;
  };

  bool fails(host_call what) noexcept {
    const std::size_t n = counts_[static_cast<std::size_t>(what)].fetch_add(1);
    if (armed_ != what || n != nth_) return false;
    hit_ = true;
    return true;
  }

  std::array<std::atomic<std::size_t>, static_cast<std::size_t>(host_call::count)> counts_{};
  std::atomic<host_call> armed_{host_call::count};
  std::atomic<std::size_t> nth_{0};
  std::atomic<int> error_{0};
  std::atomic<bool> hit_{false};
  std::atomic<std::size_t> bad_closes_{0};
  files_that_fail files_{*this};
  processes_that_fail processes_{*this};
};

}  // namespace sennit::test

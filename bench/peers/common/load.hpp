#pragma once
// What makes the load of the I/O workloads: a process of its own, the same beside each server, so that the CPU time of
// the measured process is the server's.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/program.hpp"

namespace bench {

/// A socket of 127.0.0.1, connected to `port` or bound to it (0: a free one), which it shares with others like it.
inline int local_socket(int type, std::uint16_t port, bool connected) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  const auto* address = reinterpret_cast<const sockaddr*>(&at);
  const int on = 1;
  if (!connected) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (fd < 0 || (connected ? ::connect(fd, address, sizeof at) : ::bind(fd, address, sizeof at)) != 0)
    fail("no socket of 127.0.0.1");
  return fd;
}

/// One that listens, with room for all who knock at once.
inline int listening_socket(std::uint16_t port) {
  const int fd = local_socket(SOCK_STREAM, port, false);
  if (::listen(fd, 4096) != 0) fail("listen");
  return fd;
}

inline std::uint16_t local_port(int fd) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) fail("getsockname");
  return ntohs(at.sin_port);
}

inline void must_move(std::ptrdiff_t moved, std::size_t wanted) {
  if (moved < 0 || static_cast<std::size_t>(moved) != wanted) fail("the load: a connection ended");
}

/// f() until it has something. A load that slept would have to be woken, and who wakes it pays: now and then the
/// server.
template <class F>
auto spinning(F&& f) {
  for (;;) {
    const auto result = f();
    if (result >= 0 || errno != EAGAIN) return result;
    ::sched_yield();
  }
}

/// Moves this process to the CPUs that it was not started on, if there are any: the driver's taskset is for the server.
inline void leave_these_cpus() {
  cpu_set_t servers, all;
  ::sched_getaffinity(0, sizeof servers, &servers);
  CPU_ZERO(&all);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &servers)) CPU_SET(cpu, &all);
  }
  ::sched_setaffinity(0, sizeof all, &all);
}

/// The process. To be made before any thread.
class load_process {
 public:
  /// Load(port) connects, run(n) makes n rounds of load, the destructor makes the server end.
  template <class Load>
  static load_process of() {
    load_process made;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    made.child_ = ::fork();
    if (made.child_ < 0) fail("fork");
    made.control_ = ends[made.child_ == 0 ? 1 : 0];
    ::close(ends[made.child_ == 0 ? 0 : 1]);
    if (made.child_ != 0) return made;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    leave_these_cpus();
    {
      Load load(static_cast<std::uint16_t>(made.hear()));
      made.say(0);
      while (const auto n = made.hear()) {
        load.run(n);
        made.say(0);
      }
    }
    ::_exit(0);
  }

  /// Blocks the calling thread, as all of these.
  void connect(std::uint16_t port) const { ask(port); }
  void run(std::uint64_t n) const { ask(n); }
  void end() const {
    say(0);
    int status = 0;
    if (::waitpid(child_, &status, 0) != child_ || status != 0) fail("the load failed");
  }

 private:
  void ask(std::uint64_t what) const {
    say(what);
    hear();
  }
  void say(std::uint64_t what) const { must_move(::send(control_, &what, sizeof what, MSG_NOSIGNAL), sizeof what); }
  std::uint64_t hear() const {
    std::uint64_t what = 0;
    must_move(::recv(control_, &what, sizeof what, 0), sizeof what);
    return what;
  }

  pid_t child_ = -1;
  int control_ = -1;
};

/// Reports the CPU time of this process per operation of `load`, whose rounds have `operations` each.
inline void measure_server(const char* result, double seconds, double operations, const load_process& load) {
  measure(result, seconds, operations, [&](std::uint64_t n) { load.run(n); }, cpu_seconds);
}

/// A megabyte that is in the page cache, without a name.
struct cached_file {
  static constexpr std::size_t block = 4096, blocks = 256;

  cached_file() {
    char name[] = "/tmp/cached-XXXXXX";
    fd = ::mkstemp(name);
    ::unlink(name);
    const std::vector<std::byte> bytes(block * blocks);
    must_move(::write(fd, bytes.data(), bytes.size()), bytes.size());
  }
  ~cached_file() { ::close(fd); }
  cached_file(const cached_file&) = delete;
  cached_file& operator=(const cached_file&) = delete;

  static std::uint64_t offset(std::uint64_t i) { return i % blocks * block; }

  int fd = -1;
};

/// Datagrams of 64 bytes on one socket, `window` of them under way. A round is one datagram. An empty one is the end.
class udp_load {
 public:
  static constexpr std::size_t size = 64, window = 64, batch = 16;

  explicit udp_load(std::uint16_t port) : fd_(local_socket(SOCK_DGRAM, port, true)) {
    for (std::size_t i = 0; i < batch; ++i) {
      parts_[i] = {bytes_[i].data(), size};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  ~udp_load() { ::send(fd_, nullptr, 0, 0); }
  udp_load(const udp_load&) = delete;
  udp_load& operator=(const udp_load&) = delete;

  void run(std::uint64_t rounds) {
    std::uint64_t sent = 0;
    for (std::uint64_t back = 0; back < rounds;) {
      while (sent < rounds && sent - back <= window - batch) {
        const auto n = static_cast<unsigned>(std::min<std::uint64_t>(batch, rounds - sent));
        must_move(::sendmmsg(fd_, messages_.data(), n, 0), n);
        sent += n;
      }
      const int n = spinning([&] { return ::recvmmsg(fd_, messages_.data(), batch, MSG_DONTWAIT, nullptr); });
      if (n <= 0) fail("the load: recvmmsg");
      back += static_cast<std::uint64_t>(n);
    }
  }

 private:
  int fd_;
  std::array<std::array<std::byte, size>, batch> bytes_{};
  std::array<iovec, batch> parts_{};
  std::array<mmsghdr, batch> messages_{};
};

/// Connections for one byte and its answer, after which the server closes: 16 at a time, which are a round. One that
/// says 'q' is the end.
class churn_load {
 public:
  static constexpr std::size_t at_a_time = 16;

  explicit churn_load(std::uint16_t port) : port_(port) {}
  ~churn_load() { ::send(local_socket(SOCK_STREAM, port_, true), "q", 1, 0); }
  churn_load(const churn_load&) = delete;
  churn_load& operator=(const churn_load&) = delete;

  void run(std::uint64_t rounds) const {
    std::array<int, at_a_time> fds;
    for (; rounds > 0; --rounds) {
      for (int& fd : fds) {
        fd = local_socket(SOCK_STREAM, port_, true);
        must_move(::send(fd, "x", 1, MSG_NOSIGNAL), 1);
      }
      for (const int fd : fds) {
        char answer[2];
        must_move(spinning([&] { return ::recv(fd, answer, sizeof answer, MSG_DONTWAIT); }), 1);
        must_move(spinning([&] { return ::recv(fd, answer, sizeof answer, MSG_DONTWAIT); }), 0);
        ::close(fd);
      }
    }
  }

 private:
  std::uint16_t port_;
};

}  // namespace bench

// The floor: an echo server that is nothing but a raw epoll loop on one thread. Each descriptor is registered once,
// edge-triggered; one recv and one send per request; no allocation per connection beyond its record.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "echo/handler.hpp"
#include "echo/server.hpp"

namespace {

constexpr std::uint32_t conn_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/// Owned by the loop's thread. Indexed by descriptor; the record stays for the next connection with the same number.
struct connection {
  std::vector<std::byte> unsent;  // what the socket would not take; while there is any, nothing is read
  bool peer_done = false;
};

class loop {
 public:
  explicit loop(const bench::server_options& options) : listener_(bench::listen_on(options, true)) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    signals_ = ::signalfd(-1, &stop, SFD_CLOEXEC);
    if (epoll_ < 0 || signals_ < 0) throw std::system_error(errno, std::generic_category(), "epoll and signalfd");
    add(listener_, EPOLLIN);
    add(signals_, EPOLLIN);
    bench::announce(options.host, bench::local_port(listener_));
  }

  std::uint64_t run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int e = 0; e < count; ++e) {
        const auto& event = events[static_cast<std::size_t>(e)];
        if (event.data.fd == signals_) return accepted_;
        if (event.data.fd == listener_) {
          accept_all();
        } else {
          serve(event.data.fd, event.events);
        }
      }
    }
  }

 private:
  bool add(int fd, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
          // The listener stays readable: leave it out of the set until a descriptor comes free.
          bench::report_limit("open files: accept failed at " + std::to_string(open_) + " connections (" +
                              std::strerror(errno) + ")");
          accepting_ = ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr) != 0;
        }
        return;
      }
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (static_cast<std::size_t>(fd) >= connections_.size()) connections_.resize(static_cast<std::size_t>(fd) * 2);
      connections_[static_cast<std::size_t>(fd)].peer_done = false;
      ++accepted_;
      ++open_;
      if (!add(fd, conn_events)) finish(fd);
    }
  }

  void serve(int fd, std::uint32_t events) {
    auto& c = connections_[static_cast<std::size_t>(fd)];
    if ((events & ended) != 0) c.peer_done = true;
    if (!c.unsent.empty()) {
      if (!send_now(fd, c.unsent)) return;
      if (!c.unsent.empty()) return;
    } else if ((events & (EPOLLIN | ended)) == 0) {
      return;
    }
    for (;;) {
      const auto n = ::recv(fd, buffer_.data(), buffer_.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return finish(fd);
      const auto got = static_cast<std::size_t>(n);
      if (!send_now(fd, std::span(buffer_).first(got))) return;
      if (!c.unsent.empty()) return;
      if (got < buffer_.size() && !c.peer_done)
        return;  // TCP: a short read is an empty socket, unless the peer is done
    }
  }

  /// Sends, and keeps in `unsent` what the socket does not take; EPOLLOUT brings us back. False if the connection
  /// ended.
  bool send_now(int fd, std::span<const std::byte> bytes) {
    auto& unsent = connections_[static_cast<std::size_t>(fd)].unsent;
    while (!bytes.empty()) {
      const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        break;
      } else if (errno != EINTR) {
        finish(fd);
        return false;
      }
    }
    if (!bytes.empty() || !unsent.empty()) unsent = std::vector(bytes.begin(), bytes.end());
    return true;
  }

  void finish(int fd) {
    ::close(fd);
    connections_[static_cast<std::size_t>(fd)].unsent.clear();
    --open_;
    if (!accepting_) accepting_ = add(listener_, EPOLLIN);
  }

  int listener_;
  int epoll_ = -1;
  int signals_ = -1;
  bool accepting_ = true;
  std::uint64_t accepted_ = 0;
  std::uint64_t open_ = 0;
  std::vector<connection> connections_ = std::vector<connection>(1024);
  std::array<std::byte, bench::echo_buffer> buffer_{};
};

}  // namespace

int main(int argc, char** argv) try {
  const auto options = bench::server_setup(argc, argv, "Echo server: a raw epoll loop on one thread.", 1);
  bench::report_end("epoll", loop(options).run());
} catch (const std::exception& e) {
  std::fprintf(stderr, "echo_epoll: %s\n", e.what());
  return 1;
}

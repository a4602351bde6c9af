#pragma once
// A DNS server on 127.0.0.1, UDP and TCP, that answers as a test tells it to: rightly, late, not at all, or with lies.
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sennit/endpoint.hpp>

#include "support/descriptors.hpp"
#include "support/dns_message.hpp"

namespace sennit::test {

/// Owned by a test; runs on a thread of its own, independent of any runtime.
class dns_server {
 public:
  /// What is sent for a question: nothing, or any bytes, any number of times; at once, or later.
  struct answer {
    std::string bytes;
    std::chrono::milliseconds after{0};
    bool held = false;                                         // until release()
    bool hang_up = false;                                      // TCP: closes the connection in place of an answer
    answer(std::string b) : bytes(std::move(b)) {}             // NOLINT(google-explicit-constructor)
    answer(const dns_reply& reply) : answer(reply.bytes()) {}  // NOLINT(google-explicit-constructor)
    answer(std::string b, std::chrono::milliseconds delay) : bytes(std::move(b)), after(delay) {}
    [[nodiscard]] static answer hold(const dns_reply& reply) {
      answer a(reply);
      a.held = true;
      return a;
    }
  };
  /// Called on the server's thread.
  using script = std::function<std::vector<answer>(const dns_question&)>;

  explicit dns_server(script s) : script_(std::move(s)), wake_(checked(::eventfd(0, EFD_CLOEXEC), "eventfd")) {
    bind_both();
    thread_ = std::thread([this] { serve(); });
  }
  dns_server(const dns_server&) = delete;
  dns_server& operator=(const dns_server&) = delete;
  ~dns_server() {
    ending_ = true;
    wake();
    thread_.join();
  }

  [[nodiscard]] endpoint at() const { return {"127.0.0.1", ntohs(address_.sin_port)}; }
  /// How many questions have come, by UDP and by TCP.
  [[nodiscard]] std::size_t questions() const noexcept { return questions_; }
  [[nodiscard]] std::size_t tcp_questions() const noexcept { return tcp_questions_; }
  /// How many answers are held back.
  [[nodiscard]] std::size_t held() const noexcept { return held_count_; }
  /// Sends what is held back, and holds nothing back from now on.
  void release() {
    releasing_ = true;
    wake();
  }

 private:
  using clock = std::chrono::steady_clock;
  struct client {
    sockaddr_in udp{};
    int tcp = -1;
  };
  struct connection {
    unique_fd fd;
    std::string in;
  };

  void bind_both() {
    // Both protocols on one port: the kernel chooses one for UDP, and it may be taken in TCP.
    for (int tries = 0; tries < 100; ++tries) {
      address_ = {};
      address_.sin_family = AF_INET;
      address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof address_;
      auto* const raw = reinterpret_cast<sockaddr*>(&address_);
      udp_ = unique_fd(checked(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
      tcp_ = unique_fd(checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
      const int room = 8 << 20;
      ::setsockopt(udp_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
      checked(::bind(udp_.get(), raw, size), "bind");
      checked(::getsockname(udp_.get(), raw, &size), "getsockname");
      if (::bind(tcp_.get(), raw, size) != 0) continue;
      checked(::listen(tcp_.get(), 128), "listen");
      return;
    }
    throw std::runtime_error("no port that is free in UDP and TCP");
  }

  void wake() const {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
  }

  void serve() {
    while (!ending_) {
      std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
      for (const auto& [fd, c] : connections_) fds.push_back({fd, POLLIN, 0});
      ::poll(fds.data(), fds.size(), timeout());
      if (fds[0].revents != 0) {
        std::uint64_t count = 0;
        static_cast<void>(::read(wake_.get(), &count, sizeof count));
      }
      if (releasing_) {
        for (const auto& [to, bytes] : std::exchange(held_, {})) send(to, bytes);
        held_count_ = 0;
      }
      send_late_ones();
      if (fds[1].revents != 0) receive_datagrams();
      if (fds[2].revents != 0) accept_connections();
      for (std::size_t i = 3; i < fds.size(); ++i) {
        if (fds[i].revents != 0) receive_stream(fds[i].fd);
      }
    }
  }

  int timeout() const {
    if (late_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(late_.begin()->first - clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  }

  void send_late_ones() {
    while (!late_.empty() && late_.begin()->first <= clock::now()) {
      send(late_.begin()->second.first, late_.begin()->second.second);
      late_.erase(late_.begin());
    }
  }

  void receive_datagrams() {
    std::array<char, 4096> buffer;
    for (;;) {
      client from;
      socklen_t size = sizeof from.udp;
      const auto n =
          ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from.udp), &size);
      if (n < 0) return;
      answer_to(std::string_view(buffer.data(), static_cast<std::size_t>(n)), from);
    }
  }

  void accept_connections() {
    for (;;) {
      const int fd = ::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      connections_[fd].fd = unique_fd(fd);
    }
  }

  void receive_stream(int fd) {
    connection& c = connections_[fd];
    std::array<char, 4096> buffer;
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) {
      connections_.erase(fd);
      return;
    }
    c.in.append(buffer.data(), static_cast<std::size_t>(n));
    while (connections_.contains(fd) && c.in.size() >= 2) {
      const std::size_t length =
          static_cast<std::size_t>(static_cast<unsigned char>(c.in[0]) << 8) | static_cast<unsigned char>(c.in[1]);
      if (c.in.size() < 2 + length) return;
      const std::string message = c.in.substr(2, length);
      c.in.erase(0, 2 + length);
      answer_to(message, {.tcp = fd});
    }
  }

  void answer_to(std::string_view message, const client& from) {
    auto q = parse_question(message);
    if (!q) return;
    q->tcp = from.tcp >= 0;
    const std::vector<answer> answers = script_(*q);
    ++questions_;  // before anybody can have an answer
    if (q->tcp) ++tcp_questions_;
    for (const answer& a : answers) {
      if (a.hang_up) {
        connections_.erase(from.tcp);
      } else if (a.held && !releasing_) {
        held_.emplace_back(from, a.bytes);
        ++held_count_;
      } else if (a.after.count() > 0) {
        late_.emplace(clock::now() + a.after, std::pair(from, a.bytes));
      } else {
        send(from, a.bytes);
      }
    }
  }

  void send(const client& to, const std::string& bytes) {
    if (to.tcp < 0) {
      // Blocks the thread rather than losing an answer of its own.
      while (::sendto(udp_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to.udp),
                      sizeof to.udp) < 0 &&
             errno == EAGAIN) {
        pollfd p{udp_.get(), POLLOUT, 0};
        ::poll(&p, 1, -1);
      }
      return;
    }
    if (!connections_.contains(to.tcp)) return;
    std::string framed;
    dns_reply::put(framed, static_cast<std::uint16_t>(bytes.size()));
    framed += bytes;
    static_cast<void>(::send(to.tcp, framed.data(), framed.size(), MSG_NOSIGNAL));
  }

  const script script_;
  sockaddr_in address_{};
  unique_fd udp_;
  unique_fd tcp_;
  unique_fd wake_;
  std::map<int, connection> connections_;
  std::vector<std::pair<client, std::string>> held_;
  std::multimap<clock::time_point, std::pair<client, std::string>> late_;
  std::atomic<std::size_t> questions_{0};
  std::atomic<std::size_t> tcp_questions_{0};
  std::atomic<std::size_t> held_count_{0};
  std::atomic<bool> releasing_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace sennit::test

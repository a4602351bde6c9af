// The load generator against servers that behave, and against servers that corrupt, swallow, invent, hang up.
#include "load/generator.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>
#include <list>
#include <span>
#include <thread>

namespace {

using bench::load_options;
using bench::load_result;
using bench::run_load;

/// What a server answers: it gets the bytes of one recv and how many this connection has had before; returns how many
/// of them (or, beyond, of the room behind them) to send back. Negative: hang up.
using answer = std::function<long(std::span<std::byte> room, std::size_t got, std::size_t before)>;

long echo(std::span<std::byte>, std::size_t got, std::size_t) { return static_cast<long>(got); }

/// A thread per connection on a port of its own; joined by the destructor.
class server {
 public:
  explicit server(answer a) : answer_(std::move(a)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 128), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] {
      for (int fd = 0; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        connections_.emplace_back([this, fd] { serve(fd); });
      }
    });
  }
  ~server() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (auto& c : connections_) c.join();
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void serve(int fd) {
    std::array<std::byte, 4096> room{};
    std::size_t before = 0;
    for (;;) {
      const auto got = ::recv(fd, room.data(), 2048, 0);
      if (got <= 0) break;
      const long back = answer_(room, static_cast<std::size_t>(got), before);
      if (back < 0) break;
      before += static_cast<std::size_t>(got);
      ::send(fd, room.data(), static_cast<std::size_t>(back), MSG_NOSIGNAL);
    }
    ::close(fd);
  }

  answer answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::list<std::thread> connections_;
};

load_options small(const server& s) {
  load_options o;
  o.port = s.port();
  o.connections = 8;
  o.warmup = std::chrono::milliseconds(10);
  o.duration = std::chrono::seconds(20);  // `requests` ends it
  o.requests = 2000;
  o.connect_timeout = std::chrono::seconds(10);
  o.drain_timeout = std::chrono::milliseconds(200);
  return o;
}

TEST(generator, closed_loop_on_a_good_server_is_clean) {
  const server s(echo);
  const load_result r = run_load(small(s));
  EXPECT_EQ(r.limit, "");
  EXPECT_GE(r.requests, 2000U);
  EXPECT_EQ(r.latency.total(), r.requests);
  EXPECT_EQ(r.errors + r.wrong_bytes + r.lost_bytes, 0U);
  EXPECT_GT(r.latency.percentile(50), 0U);
  EXPECT_LE(r.latency.percentile(50), r.latency.percentile(99));
  EXPECT_GT(r.served_seconds, 0);
}

TEST(generator, messages_larger_than_every_buffer_come_back_whole) {
  const server s(echo);
  auto o = small(s);
  o.size = 1 << 20;
  o.connections = 3;
  o.requests = 20;
  o.drain_timeout = std::chrono::seconds(20);
  const load_result r = run_load(o);
  EXPECT_EQ(r.limit, "");
  EXPECT_GE(r.requests, 20U);
  EXPECT_EQ(r.errors + r.wrong_bytes + r.lost_bytes, 0U);
}

TEST(generator, sees_one_corrupted_byte) {
  const server s([](std::span<std::byte> room, std::size_t got, std::size_t before) {
    const std::size_t victim = 64 * 5 + 17;  // in the sixth message of each connection
    if (before <= victim && victim < before + got) room[victim - before] ^= std::byte{1};
    return static_cast<long>(got);
  });
  const load_result r = run_load(small(s));
  EXPECT_EQ(r.limit, "");
  EXPECT_EQ(r.wrong_bytes, 8U);  // one on each connection
  EXPECT_EQ(r.lost_bytes, 0U);
}

TEST(generator, sees_an_echo_of_an_earlier_message) {
  const server s(
      [stale = std::array<std::byte, 64>{}](std::span<std::byte> room, std::size_t got, std::size_t before) mutable {
        if (before == 0) std::ranges::copy(room.first(64), stale.begin());
        if (before == 64 * 5) std::ranges::copy(stale, room.begin());
        return static_cast<long>(got);
      });
  auto o = small(s);
  o.connections = 1;
  EXPECT_GT(run_load(o).wrong_bytes, 32U);
}

TEST(generator, sees_a_swallowed_byte) {
  const server s([](std::span<std::byte>, std::size_t got, std::size_t before) {
    return static_cast<long>(before == 64 * 9 ? got - 1 : got);
  });
  auto o = small(s);
  o.duration = std::chrono::seconds(2);  // every connection waits for its missing byte: only time ends this run
  const load_result r = run_load(o);
  EXPECT_EQ(r.lost_bytes, 8U);
  EXPECT_EQ(r.errors, 8U);
}

TEST(generator, sees_bytes_nobody_sent) {
  const server s([](std::span<std::byte>, std::size_t got, std::size_t before) {
    return static_cast<long>(before == 64 * 9 ? got + 3 : got);
  });
  EXPECT_GT(run_load(small(s)).wrong_bytes, 0U);
}

TEST(generator, counts_connections_that_the_server_hangs_up) {
  const server s([](std::span<std::byte>, std::size_t got, std::size_t before) {
    return before >= 64 * 9 ? -1L : static_cast<long>(got);
  });
  const load_result r = run_load(small(s));
  EXPECT_EQ(r.limit, "");
  EXPECT_EQ(r.errors, 8U);
  EXPECT_EQ(r.lost_bytes, 8U * 64U);
}

TEST(generator, open_loop_keeps_its_schedule) {
  const server s(echo);
  auto o = small(s);
  o.rate = 2000;
  o.requests = 0;
  o.warmup = std::chrono::milliseconds(100);
  o.duration = std::chrono::milliseconds(500);
  o.drain_timeout = std::chrono::seconds(20);
  const load_result r = run_load(o);
  EXPECT_EQ(r.limit, "");
  EXPECT_EQ(r.errors + r.wrong_bytes + r.lost_bytes, 0U);
  // Every message meant for the window is in the histogram, however late: 2000/s for half a second.
  EXPECT_GE(r.latency.total(), 999U);
  EXPECT_LE(r.latency.total(), 1001U);
}

// The server answers the first 20 messages after the start, then stalls once. All messages meant to go out during the
// stall must count their waiting: a closed loop would see a single slow one (coordinated omission).
TEST(generator, open_loop_counts_what_waits_behind_a_stall) {
  static constexpr auto stall = std::chrono::milliseconds(400);
  const server s([stalled = false](std::span<std::byte>, std::size_t got, std::size_t before) mutable {
    if (!stalled && before >= 64 * 20) {
      stalled = true;
      std::this_thread::sleep_for(stall);  // this is the stall itself, not a wait for somebody
    }
    return static_cast<long>(got);
  });
  auto o = small(s);
  o.connections = 1;
  o.rate = 1000;
  o.requests = 0;
  o.warmup = std::chrono::seconds(0);
  o.duration = std::chrono::milliseconds(800);
  o.drain_timeout = std::chrono::seconds(20);
  const load_result r = run_load(o);
  EXPECT_EQ(r.errors + r.wrong_bytes + r.lost_bytes, 0U);
  EXPECT_GE(r.latency.max(), 390'000'000U);
  // About 400 of 800 were due during the stall, so every fourth one of all waited for 100 ms at the very least.
  EXPECT_GE(r.latency.percentile(75), 100'000'000U);
}

TEST(generator, says_that_open_files_are_the_limit) {
  const server s(echo);
  auto o = small(s);
  o.connections = 500;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{.rlim_cur = 64, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const load_result r = run_load(o);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(r.limit.substr(0, 11), "open files:") << r.limit;
}

TEST(generator, says_that_nobody_listens) {
  auto o = load_options{.port = 1};
  o.connect_timeout = std::chrono::seconds(1);
  EXPECT_EQ(run_load(o).limit.substr(0, 8), "connect:");
}

TEST(generator, says_that_the_server_is_silent) {
  const server s([](std::span<std::byte>, std::size_t, std::size_t) { return 0L; });
  auto o = small(s);
  o.connect_timeout = std::chrono::milliseconds(300);
  EXPECT_EQ(run_load(o).limit, "connect: 0 of 8 connections were served within 300 ms");
}

TEST(generator, refuses_anything_but_loopback) {
  EXPECT_NE(run_load({.host = "192.0.2.1", .port = 80}).limit.find("127.0.0.0/8"), std::string::npos);
  EXPECT_NE(run_load({.host = "localhost", .port = 80}).limit.find("127.0.0.0/8"), std::string::npos);
}

}  // namespace

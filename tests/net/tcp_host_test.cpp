// What tcp asks of the system: faults that a host injects, fairness, counts of system calls.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "net/connected.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class tcp_host : public runtimes {};
INSTANTIATE_RUNTIMES(tcp_host);

/// Fails accept with EMFILE a number of times, and shows what a runtime asked of the system.
class counting_host final : public detail::host {
 public:
  int accept(int fd, sockaddr* address, socklen_t* size) noexcept override {
    if (refuse.load() > 0) {
      --refuse;
      return -EMFILE;
    }
    return host::accept(fd, address, size);
  }
  std::ptrdiff_t recv(int fd, void* data, std::size_t size) noexcept override {
    if (interrupt.load() > 0) {
      --interrupt;
      return -EINTR;
    }
    return host::recv(fd, data, size);
  }
  std::atomic<int> refuse{0};
  std::atomic<int> interrupt{0};
};

TEST_P(tcp_host, accept_out_of_descriptors_backs_off_and_loses_nothing) {
  counting_host outside;
  outside.refuse = 5;
  testing::internal::CaptureStderr();
  sennit::run(sennit::options{.workers = GetParam(), .host = &outside}, [] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    auto a = tcp_stream::connect(listener.local_endpoint());
    auto b = tcp_stream::connect(listener.local_endpoint());
    EXPECT_TRUE(listener.accept().is_open());
    EXPECT_TRUE(listener.accept().is_open());
  });
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(outside.refuse, 0);
  const auto first = log.find("accept: Too many open files");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("accept: Too many open files", first + 1), std::string::npos) << "logged more than once";
}

TEST_P(tcp_host, interrupted_calls_are_repeated) {
  counting_host outside;
  sennit::run(sennit::options{.workers = GetParam(), .host = &outside}, [&] {
    pair p = connected();
    p.client.write_all(std::array{std::byte{1}});
    outside.interrupt = 100;
    std::array<std::byte, 1> b{};
    EXPECT_EQ(p.server.read_some(b), 1U);
    EXPECT_EQ(outside.interrupt, 0);
  });
}

TEST(tcp_turns, a_descriptor_that_is_always_ready_starves_nobody) {
  // Hazard 20: reads that never have to wait still let others run.
  sennit::run(sennit::options{.workers = 1}, [] {
    constexpr int reads = 2000;
    pair p = connected();
    p.client.write_all(bytes(reads));
    std::atomic<int> turns{0};
    std::atomic<bool> done{false};
    sennit::scope s;
    s.spawn([&] {
      while (!done) {
        ++turns;
        sennit::this_fiber::yield();
      }
    });
    std::array<std::byte, 1> b{};
    for (int i = 0; i < reads; ++i) ASSERT_EQ(p.server.read_some(b), 1U);
    EXPECT_GE(turns, reads / 32);
    done = true;
    s.join();
  });
}

TEST(tcp_counts, a_request_costs_one_recv_one_send_and_a_fraction_of_a_poll) {
  // The client, in another runtime, sends 64 requests on 64 connections before the server looks.
  constexpr std::size_t connections = 64;
  const std::size_t rounds = std::max<std::size_t>(scaled(100'000) / connections, 20);
  sennit::runtime server({.workers = 1});
  sennit::runtime client({.workers = 1});
  tcp_listener listener;
  server.run([&] { listener = tcp_listener::bind("127.0.0.1:0"); });
  const auto at = listener.local_endpoint();
  auto serving = server.spawn([&] {
    sennit::scope s(sennit::on_exception::log);
    for (;;) {
      std::error_code ec;
      auto connection = listener.accept(ec);
      if (ec) return;
      s.spawn([c = std::move(connection)]() mutable {
        std::array<std::byte, 2048> b;
        while (const std::size_t n = c.read_some(b)) c.write_all(std::span(b).first(n));
      });
    }
  });
  sennit::runtime_stats before;
  sennit::runtime_stats after;
  std::uint64_t polls = 0;
  client.run([&] {
    std::vector<tcp_stream> streams;
    std::array<std::byte, 64> b{};
    for (std::size_t i = 0; i < connections; ++i) {
      streams.push_back(tcp_stream::connect(at));
      streams.back().write_all(b);
      streams.back().read_exact(b);
    }
    // Each registers once, when it first has to wait: all of them and the listener have, before we count.
    until([&] { return server.stats().registrations > connections; });
    before = server.stats();
    for (std::size_t r = 0; r < rounds; ++r) {
      std::uint64_t held = 0;
      {
        // The server's only worker is held while all requests are sent.
        std::atomic<int> phase{0};
        auto hold = server.spawn([&] {
          phase = 1;
          while (phase != 2) std::this_thread::yield();
        });
        while (phase != 1) std::this_thread::yield();
        for (auto& s : streams) s.write_all(b);
        held = server.stats().polls;  // what it took to hold the worker is not the requests' cost
        phase = 2;
        hold.join();
      }
      for (auto& s : streams) s.read_exact(b);
      polls += server.stats().polls - held;
    }
    after = server.stats();
  });
  const double requests = static_cast<double>(rounds * connections);
  EXPECT_LE(static_cast<double>(after.reads - before.reads), 1.01 * requests);
  EXPECT_LE(static_cast<double>(after.writes - before.writes), 1.01 * requests);
  EXPECT_EQ(after.registrations, before.registrations);
  EXPECT_LE(static_cast<double>(polls), 0.05 * requests);
  listener.close();
  serving.join();
}

TEST(tcp_counts, a_request_now_and_then_costs_one_poll) {
  // The server sleeps in its poller between requests, and does not look there before it does.
  const std::size_t requests = std::max<std::size_t>(scaled(10'000), 200);
  sennit::runtime server({.workers = 1});
  tcp_listener listener;
  server.run([&] { listener = tcp_listener::bind("127.0.0.1:0"); });
  auto serving = server.spawn([&] {
    auto c = listener.accept();
    std::array<std::byte, 1> b;
    while (c.read_some(b) == 1) c.write_all(b);
  });
  auto client = tcp_stream::connect(listener.local_endpoint());  // on this thread: no poller of a runtime knows it
  std::array<std::byte, 1> b{};
  const auto request = [&] {
    const std::uint64_t sleeps = server.stats().sleeps;
    client.write_all(b);
    client.read_exact(b);
    until([&] { return server.stats().sleeps > sleeps; });
    // A sleep that is over at once would make it look first the next time.
    for (const auto since = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - since < 20us;) {}
  };
  for (int i = 0; i < 3; ++i) request();
  const std::uint64_t before = server.stats().polls;
  for (std::size_t i = 0; i < requests; ++i) request();
  EXPECT_LE(static_cast<double>(server.stats().polls - before), 1.5 * static_cast<double>(requests));
  client.close();
  serving.join();
}

}  // namespace
}  // namespace sennit::test

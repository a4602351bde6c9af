// What servers do on Linux alone: connections follow the CPU of their packets; and however fast clients connect while a
// server stops, each one that gets in is served (hazard 22).
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "net/servers.hpp"
#include "net/unix_names.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class server_linux : public runtimes {};
INSTANTIATE_RUNTIMES(server_linux);

TEST_P(server_linux, steering_by_cpu_follows_the_packets) {
  sennit::runtime rt(opts());
  testing::internal::CaptureStderr();
  tcp_server s(rt, "127.0.0.1:0", {.steering = steering::cpu}, echo{});
  // qemu-user does not know it; then the hash decides, and the log says so.
  const std::string log = testing::internal::GetCapturedStderr();
  const bool steered = log.find("no steering by CPU") == std::string::npos;
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    ASSERT_EQ(::sched_setaffinity(0, sizeof only, &only), 0);
    const auto had = s.stats(cpu % s.listeners()).accepted;
    // On this thread, so on this CPU: packets of the loopback interface stay on it.
    for (int i = 0; i < 20; ++i) {
      auto client = tcp_stream::connect(s.local_endpoint());
      EXPECT_TRUE(answered(client));
    }
    if (steered) {
      EXPECT_EQ(s.stats(cpu % s.listeners()).accepted - had, 20U) << "CPU " << cpu;
    }
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

/// `rounds` servers, each of which stops in a storm: `make(i)` makes one, `connect(at, ec)` connects to it.
template <class Make, class Connect>
void stop_in_a_storm(std::size_t rounds, Make&& make, Connect&& connect) {
  std::atomic<std::size_t> connected{0};
  std::atomic<std::size_t> served{0};
  for (std::size_t i = 0; i < rounds; ++i) {
    std::atomic<bool> over{false};
    auto s = make(i);
    const std::size_t before = served;
    std::vector<std::thread> clients;
    for (int c = 0; c < 4; ++c) {
      clients.emplace_back([&, at = s.local_endpoint()] {
        while (!over) {
          std::error_code ec;
          auto client = connect(at, ec);
          if (ec) continue;
          ++connected;
          if (answered(client)) ++served;
        }
      });
    }
    while (served < before + 50) std::this_thread::yield();
    EXPECT_TRUE(s.stop(20s).stopped.empty());
    over = true;
    for (auto& c : clients) c.join();
    EXPECT_EQ(s.stats().dropped, 0U);
    EXPECT_EQ(connected - served, 0U) << "in round " << i;
  }
  std::cout << served << " of " << connected << " were served" << std::endl;
}

TEST_P(server_linux, a_storm_while_it_stops_loses_no_tcp_client) {
  sennit::runtime rt(opts());
  stop_in_a_storm(
      scaled(20),
      [&](std::size_t i) {
        return tcp_server(rt, "127.0.0.1:0", {.connections = {.pinned = i % 2 == 1}, .handshake_time = 300ms}, echo{});
      },
      // Who knocks at a server that stops hears nothing for a second: it gives up earlier, and has not got in.
      [](const endpoint& at, std::error_code& ec) {
        return tcp_stream::connect(at, std::chrono::steady_clock::now() + 20ms, ec);
      });
}

TEST_P(server_linux, a_storm_while_it_stops_loses_no_unix_client) {
  sennit::runtime rt(opts());
  stop_in_a_storm(
      scaled(200),
      [&](std::size_t i) { return unix_server(rt, abstract_name(), {.connections = {.pinned = i % 2 == 1}}, echo{}); },
      [](const endpoint& at, std::error_code& ec) { return unix_stream::connect(at, ec); });
}

}  // namespace
}  // namespace sennit::test

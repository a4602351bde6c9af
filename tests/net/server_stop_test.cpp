// The end of a server (hazard 22): nobody is lost who got in, those who take too long are named, whoever they are.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "net/servers.hpp"
#include "net/unix_names.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class server_stop : public runtimes {};
INSTANTIATE_RUNTIMES(server_stop);

TEST_P(server_stop, an_idle_server_stops_and_its_port_is_free) {
  run([] {
    tcp_server s("127.0.0.1:0", echo{});
    const endpoint at = s.local_endpoint();
    const drain_report report = s.stop(10s);
    EXPECT_TRUE(report.stopped.empty());
    EXPECT_TRUE(report.left.empty());
    std::error_code ec;
    tcp_stream::connect(at, ec);
    EXPECT_EQ(ec, std::errc::connection_refused);
    EXPECT_TRUE(s.stop(0s).stopped.empty()) << "once more";
    tcp_server next(at, echo{});
    auto client = tcp_stream::connect(at);
    EXPECT_TRUE(answered(client));
  });
}

TEST_P(server_stop, who_ends_in_time_is_not_stopped) {
  run([] {
    gate g;
    std::atomic<int> whole{0};
    tcp_server s("127.0.0.1:0", [&](tcp_stream) {
      g.pass();
      ++whole;
    });
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(tcp_stream::connect(s.local_endpoint()));
    g.await(20);
    scope other;
    other.spawn([&] { g.open.set(); });
    EXPECT_TRUE(s.stop(20s).stopped.empty());
    EXPECT_EQ(whole, 20);
    EXPECT_EQ(s.stats().finished, 20U);
    EXPECT_EQ(s.stats().failed, 0U);
  });
}

TEST_P(server_stop, at_the_deadline_the_rest_is_stopped_and_named) {
  testing::internal::CaptureStderr();
  std::string at;
  run([&] {
    gate g;
    tcp_server s("127.0.0.1:0", {.connections = {.name = "session"}, .stop_timeout = 20s},
                 [&](tcp_stream) { g.pass(); });
    at = s.local_endpoint().to_string();
    auto client = tcp_stream::connect(s.local_endpoint());
    const std::string me = client.local_endpoint().to_string();
    g.await(1);
    const drain_report report = s.stop(1ms);
    ASSERT_EQ(report.stopped.size(), 1U);
    EXPECT_TRUE(report.stopped[0].starts_with("session #")) << report.stopped[0];
    EXPECT_TRUE(report.stopped[0].ends_with(" of " + me)) << report.stopped[0];
    EXPECT_TRUE(report.left.empty());
    EXPECT_EQ(s.stats().finished, 1U);
    EXPECT_EQ(s.stats().failed, 0U) << "its stop is no failure";
    std::array<std::byte, 1> b;
    std::error_code ec;
    EXPECT_EQ(client.read_some(b, ec), 0U);
  });
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("server " + at), std::string::npos) << log;
  EXPECT_NE(log.find("session #"), std::string::npos) << log;
}

TEST_P(server_stop, who_ignores_the_stop_is_named_and_left) {
  testing::internal::CaptureStderr();
  run([] {
    gate g;
    tcp_server s("127.0.0.1:0", {.stop_timeout = 1ms}, [&](tcp_stream) {
      const shield stubborn;
      g.pass();
    });
    auto client = tcp_stream::connect(s.local_endpoint());
    g.await(1);
    const drain_report report = s.stop(1ms);
    EXPECT_EQ(report.left, report.stopped);
    EXPECT_EQ(report.left.size(), 1U);
    g.open.set();
    EXPECT_TRUE(s.stop(20s).left.empty()) << "now it ends";
  });
  EXPECT_NE(testing::internal::GetCapturedStderr().find("do not end"), std::string::npos);
}

TEST_P(server_stop, the_destructor_stops_and_waits) {
  run([] {
    gate g;
    std::atomic<int> ended{0};
    std::optional<tcp_stream> client;
    {
      tcp_server s("127.0.0.1:0", [&](tcp_stream) {
        try {
          g.pass();
        } catch (const std::system_error& e) {
          EXPECT_EQ(e.code(), std::errc::operation_canceled);
          ++ended;
          throw;
        }
      });
      client = tcp_stream::connect(s.local_endpoint());
      g.await(1);
    }
    EXPECT_EQ(ended, 1);
    { tcp_server at_once("127.0.0.1:0", echo{}); }
  });
}

TEST_P(server_stop, a_stop_of_the_caller_ends_the_wait) {
  run([] {
    gate g;
    tcp_server s("127.0.0.1:0", [&](tcp_stream) { g.pass(); });
    auto client = tcp_stream::connect(s.local_endpoint());
    g.await(1);
    scope waiting;
    park_probe probe;
    std::error_code ended;
    waiting.spawn([&] {
      probe.here();
      ended = code_of([&] { s.stop(1h); });
    });
    probe.await_parked();
    waiting.request_stop();
    waiting.join();
    EXPECT_EQ(ended, std::errc::operation_canceled);
    EXPECT_EQ(s.stats().running(), 1U);
    g.open.set();
    EXPECT_TRUE(s.stop(20s).stopped.empty());
  });
}

TEST_P(server_stop, shutdown_of_the_runtime_ends_a_server_under_load) {
  sennit::runtime rt(opts());
  tcp_server s(rt, "127.0.0.1:0", {}, echo{});
  const endpoint at = s.local_endpoint();
  std::atomic<bool> over{false};
  std::atomic<int> rounds{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!over) {
        std::error_code ec;
        auto c = tcp_stream::connect(at, ec);
        while (!ec && !over && answered(c)) ++rounds;
      }
    });
  }
  while (rounds < 100) std::this_thread::yield();
  EXPECT_TRUE(rt.shutdown(20s));
  over = true;
  for (auto& c : clients) c.join();
  EXPECT_EQ(s.stats().running(), 0U);
  EXPECT_EQ(s.stats().failed, 0U);
}

TEST_P(server_stop, what_waits_in_the_backlog_is_served) {
  // One handler at a time: when the server stops the other clients wait in the backlog.
  run([] {
    gate g;
    tcp_server s("127.0.0.1:0", {.steering = steering::one_listener, .connections = {.max_running = 1}},
                 [&](tcp_stream stream) {
                   g.pass();
                   echo{}(std::move(stream));
                 });
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(tcp_stream::connect(s.local_endpoint()));
    g.await(1);
    scope talking;
    talking.spawn([&] {
      for (auto& c : clients) {
        EXPECT_TRUE(answered(c));
        c.close();
      }
    });
    talking.spawn([&] { g.open.set(); });
    EXPECT_TRUE(s.stop(20s).stopped.empty());
    talking.join();
    EXPECT_EQ(s.stats().finished, 100U);
  });
}

TEST_P(server_stop, a_unix_path_is_removed) {
  run([] {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("sennit-server-" + std::to_string(::getpid()))).string();
    {
      unix_server s("unix:" + path, echo{});
      EXPECT_TRUE(std::filesystem::exists(path));
      auto client = unix_stream::connect("unix:" + path);
      EXPECT_TRUE(answered(client));
      client.close();
      EXPECT_TRUE(s.stop(20s).stopped.empty());
      EXPECT_FALSE(std::filesystem::exists(path));
    }
    unix_server again("unix:" + path, {.listener = {.unlink_on_close = false}}, echo{});
    EXPECT_TRUE(again.stop(20s).stopped.empty());
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove(path);
  });
}

}  // namespace
}  // namespace sennit::test

// Options of TCP: what the kernel is told, and what that does.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <chrono>

#include <sennit/sennit.hpp>

#include "base/system.hpp"
#include "net/connected.hpp"
#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

int option(const tcp_stream& s, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(s.native_handle(), level, name, &value, &size), 0);
  return value;
}

TEST(tcp_options, keepalive) {
  with_runtimes([] {
    pair p = connected();
    EXPECT_EQ(option(p.client, SOL_SOCKET, SO_KEEPALIVE), 0);
    p.client.set_keepalive(keepalive{.idle = 7s, .interval = 3s, .count = 4});
    EXPECT_EQ(option(p.client, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(p.client, IPPROTO_TCP, detail::tcp_keepalive_idle), 7);
    EXPECT_EQ(option(p.client, IPPROTO_TCP, TCP_KEEPINTVL), 3);
    EXPECT_EQ(option(p.client, IPPROTO_TCP, TCP_KEEPCNT), 4);
    p.client.set_keepalive(std::nullopt);
    EXPECT_EQ(option(p.client, SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(code_of([&] { p.client.set_keepalive(keepalive{.idle = 0s}); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { p.client.set_keepalive(keepalive{.count = -1}); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { p.client.set_keepalive(keepalive{.interval = std::chrono::hours(1 << 20)}); }),
              std::errc::invalid_argument);
    EXPECT_EQ(option(p.client, SOL_SOCKET, SO_KEEPALIVE), 0) << "nothing is turned on by a call that fails";
    p.client.close();
    EXPECT_EQ(code_of([&] { p.client.set_keepalive(keepalive{}); }), std::errc::bad_file_descriptor);
  });
}

TEST(tcp_options, linger_of_zero_resets_the_connection) {
  with_runtimes([] {
    pair p = connected();
    p.client.write_all(bytes(100));
    p.client.set_linger(0s);
    p.client.close();
    std::array<std::byte, 8> b{};
    std::error_code ec;
    while (!ec) ASSERT_NE(p.server.read_some(b, ec) == 0 && !ec, true) << "an end in good order";
    EXPECT_EQ(ec, std::errc::connection_reset);
    EXPECT_EQ(code_of([&] { p.server.write_all(b); }), std::errc::broken_pipe);
  });
}

TEST(tcp_options, linger_off_and_refused_values) {
  with_runtimes([] {
    pair p = connected();
    p.client.set_linger(0s);
    p.client.set_linger(std::nullopt);
    EXPECT_EQ(code_of([&] { p.client.set_linger(5s); }), std::errc::invalid_argument);
    p.client.write_all(bytes(100));
    p.client.close();
    EXPECT_EQ(drain(p.server).size(), 100U) << "closed in good order";
    EXPECT_EQ(code_of([&] { p.client.set_linger(0s); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { p.client.set_no_delay(true); }), std::errc::bad_file_descriptor);
  });
}

TEST(tcp_options, an_ipv6_listener_takes_ipv4_clients_unless_told_not_to) {
  with_runtimes([] {
    auto both = tcp_listener::bind("[::]:0");
    const auto port = both.local_endpoint().port();
    auto client = tcp_stream::connect(endpoint("127.0.0.1", port));
    auto server = both.accept();
    EXPECT_EQ(server.remote_endpoint(), endpoint("::ffff:127.0.0.1", client.local_endpoint().port()));
    auto v6_client = tcp_stream::connect(endpoint("::1", port));
    EXPECT_TRUE(both.accept().is_open());
    both.close();

    auto v6 = tcp_listener::bind("[::]:0", {.v6_only = true});
    auto v4 = tcp_listener::bind(endpoint("0.0.0.0", v6.local_endpoint().port()));  // would be in use otherwise
    EXPECT_TRUE(v4.is_open());
  });
}

TEST(tcp_options, what_is_thrown_names_the_operation_and_the_peer) {
  with_runtimes([] {
    pair p = connected();
    p.server.expires_after(0s);
    std::array<std::byte, 8> b{};
    try {
      p.server.read_some(b);
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find("read_some"), std::string::npos) << what;
      EXPECT_NE(what.find(p.client.local_endpoint().to_string()), std::string::npos) << what;
    }
  });
}

}  // namespace
}  // namespace sennit::test

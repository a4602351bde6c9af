// Of peers_test.cpp: a peer that has vanished, which takes TCP_REPAIR.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// Takes a TCP connection away without a word to its peer, as a machine does that loses its power. False if this
/// system does not let us (TCP_REPAIR wants CAP_NET_ADMIN).
bool vanish(tcp_stream& s) {
  const int on = 1;
  if (::setsockopt(s.native_handle(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0) return false;
  s.close();
  return true;
}

TEST(half_open, a_peer_that_has_vanished_is_found_out_by_who_writes_and_by_who_probes) {
  bool possible = true;
  sennit::run({.workers = 2, .stall_threshold = {}}, [&] {
    pair writes = connected();
    pair probes = connected();
    probes.server.set_keepalive(keepalive{.idle = 1s, .interval = 1s, .count = 1});
    possible = vanish(writes.client) && vanish(probes.client);
    if (!possible) return;
    scope s;
    s.spawn([&] {  // one that only reads learns nothing without keepalive
      std::array<std::byte, 8> b{};
      std::error_code ec;
      EXPECT_EQ(probes.server.read_some(b, ec), 0U);
      EXPECT_TRUE(ec == std::errc::connection_reset || ec == std::errc::timed_out) << ec.message();
      EXPECT_NE(ec, error::deadline_passed);
    });
    std::array<std::byte, 8> b{};
    std::error_code ec;
    writes.server.expires_after(2ms);
    EXPECT_EQ(writes.server.read_some(b, ec), 0U);
    EXPECT_EQ(ec, error::deadline_passed) << "the connection looks as it always did";
    writes.server.expires_never();
    writes.server.write_all(b, ec);  // goes into the buffer; what comes back is a reset
    EXPECT_EQ(writes.server.read_some(b, ec), 0U);
    EXPECT_EQ(ec, std::errc::connection_reset) << ec.message();
    writes.server.write_all(b, ec);
    EXPECT_EQ(ec, std::errc::broken_pipe) << ec.message();
    s.join();
  });
  if (!possible) GTEST_SKIP() << "TCP_REPAIR wants CAP_NET_ADMIN";
}

}  // namespace
}  // namespace sennit::test

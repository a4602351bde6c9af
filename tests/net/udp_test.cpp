// What only UDP has: refusals that come back, names, groups, broadcast.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include <sennit/sennit.hpp>

#include "base/mmsghdr.hpp"
#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

TEST(udp, a_refusal_of_the_connected_peer_is_reported_once) {
  with_runtimes([] {
    endpoint nobody;
    { nobody = udp_socket::bind("127.0.0.1:0").local_endpoint(); }
    auto s = udp_socket::connect(nobody);
    EXPECT_EQ(s.remote_endpoint(), nobody);
    std::array<std::byte, 4> b{};
    std::error_code ec;
    scope waiting;
    park_probe probe;
    waiting.spawn([&] {
      probe.here();
      s.receive(b, ec);  // woken by the error
      EXPECT_EQ(ec, std::errc::connection_refused);
    });
    probe.await_parked();
    s.send(b);
    waiting.join();
    s.send(b);
    EXPECT_EQ(code_of([&] { s.receive(b); }), std::errc::connection_refused);
  });
}

TEST(udp, connect_resolves_names) {
  with_runtimes([] {
    auto server = udp_socket::bind("127.0.0.1:0");
    auto client = udp_socket::connect(endpoint("localhost", server.local_endpoint().port()));
    EXPECT_EQ(client.remote_endpoint().port(), server.local_endpoint().port());
    EXPECT_EQ(code_of([] { static_cast<void>(udp_socket::connect("no-such-host.invalid:1")); }),
              std::errc::address_not_available);
    EXPECT_EQ(code_of([] { static_cast<void>(udp_socket::connect("unix:/x")); }),
              std::errc::address_family_not_supported);
  });
}

TEST(udp, a_connected_socket_hears_its_peer_only) {
  with_runtimes([] {
    auto a = udp_socket::bind("127.0.0.1:0");
    auto b = udp_socket::bind("127.0.0.1:0");
    auto stranger = udp_socket::bind("127.0.0.1:0");
    a.set_peer(b.local_endpoint());
    stranger.send_to(bytes(1), a.local_endpoint());
    b.send_to(bytes(2), a.local_endpoint());
    std::array<std::byte, 4> room{};
    EXPECT_EQ(a.receive(room).size, 2U);
    a.expires_after(0s);
    std::error_code ec;
    a.receive(room, ec);
    EXPECT_EQ(ec, std::errc::timed_out);
  });
}

TEST(udp, bind_reports_what_is_wrong) {
  with_runtimes([] {
    auto a = udp_socket::bind("127.0.0.1:0");
    std::error_code ec;
    EXPECT_FALSE(udp_socket::bind(a.local_endpoint(), {}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_in_use);
    EXPECT_FALSE(udp_socket::bind("192.0.2.1:0", {}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_not_available);
    EXPECT_FALSE(udp_socket::bind("unix:/x", {}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_family_not_supported);
    EXPECT_FALSE(udp_socket::bind("localhost:0", {}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_family_not_supported);
    try {
      static_cast<void>(udp_socket::bind(a.local_endpoint()));
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find(a.local_endpoint().to_string()), std::string::npos) << e.what();
    }
    std::error_code none;
    udp_socket empty;
    empty.send(bytes(1), none);
    EXPECT_EQ(none, std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { empty.set_broadcast(true); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { empty.join_group("239.1.2.3:0"); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { a.send(bytes(1)); }), std::errc::destination_address_required);
  });
}

TEST(udp, a_port_is_shared_by_who_asks_for_it) {
  with_runtimes([] {
    auto a = udp_socket::bind("127.0.0.1:0", {.reuse_port = true});
    auto b = udp_socket::bind(a.local_endpoint(), {.reuse_port = true});
    EXPECT_EQ(a.local_endpoint(), b.local_endpoint());
  });
}

TEST(udp, an_ipv6_socket_takes_ipv4_senders_unless_told_not_to) {
  with_runtimes([] {
    auto both = udp_socket::bind("[::]:0");
    auto sender = udp_socket::bind("127.0.0.1:0");
    const auto port = both.local_endpoint().port();
    sender.send_to(bytes(3), endpoint("127.0.0.1", port));
    std::array<std::byte, 8> room{};
    socket_address from;
    EXPECT_EQ(both.receive_from(room, from).size, 3U);
    EXPECT_EQ(from.to_endpoint(), endpoint("::ffff:127.0.0.1", sender.local_endpoint().port()));
    both.close();
    auto v6 = udp_socket::bind("[::]:0", {.v6_only = true});
    auto v4 = udp_socket::bind(endpoint("0.0.0.0", v6.local_endpoint().port()));  // would be in use otherwise
    EXPECT_TRUE(v4.is_open());
  });
}

TEST(udp, broadcast_must_be_allowed) {
  with_runtimes([] {
    auto receiver = udp_socket::bind("0.0.0.0:0");
    auto sender = udp_socket::bind("127.0.0.1:0");
    const endpoint everybody("127.255.255.255", receiver.local_endpoint().port());
    std::error_code ec;
    sender.send_to(bytes(1), everybody, ec);
    EXPECT_EQ(ec, std::errc::permission_denied);
    sender.set_broadcast(true);
    sender.send_to(bytes(2), everybody);
    std::array<std::byte, 8> room{};
    EXPECT_EQ(receiver.receive(room).size, 2U);
  });
}

TEST(udp, adopts_a_socket) {
  with_runtimes([] {
    auto a = udp_socket::bind("127.0.0.1:0");
    const auto at = a.local_endpoint();
    auto again = udp_socket::adopt(a.release());
    EXPECT_EQ(again.local_endpoint(), at);
    EXPECT_EQ(code_of([] { static_cast<void>(udp_socket::adopt(-1)); }), std::errc::bad_file_descriptor);
  });
}

/// Counts system calls that move messages.
class batch_host final : public detail::host {
 public:
  std::ptrdiff_t recvmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept override {
    ++receives;
    return host::recvmmsg(fd, messages, count);
  }
  std::ptrdiff_t sendmmsg(int fd, mmsghdr* messages, std::size_t count) noexcept override {
    ++sends;
    return host::sendmmsg(fd, messages, count);
  }
  std::atomic<int> receives{0};
  std::atomic<int> sends{0};
};

TEST(udp, sixty_four_messages_cost_one_call) {
  batch_host outside;
  with_runtimes(
      [&] {
        auto receiver = udp_socket::bind("127.0.0.1:0");
        auto sender = udp_socket::connect(receiver.local_endpoint());
        outside.sends = outside.receives = 0;
        const bytes data(10);
        EXPECT_EQ(sender.send_batch(std::vector<outgoing_datagram>(64, outgoing_datagram{data})), 64U);
        std::vector<incoming_datagram> in(64);
        EXPECT_EQ(receiver.receive_batch(in), 64U);
        EXPECT_EQ(outside.sends, 1);
        EXPECT_EQ(outside.receives, 1);
      },
      &outside);
}

}  // namespace
}  // namespace sennit::test

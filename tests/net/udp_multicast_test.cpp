// Not under qemu-user, which does not know the options of multicast.
// What only UDP has: refusals that come back, names, groups, broadcast.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

int option(const udp_socket& s, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(s.native_handle(), level, name, &value, &size), 0);
  return value;
}

/// Joins and leaves on the loopback interface, which every machine has.
void join_and_leave(udp_socket& s, const endpoint& group) {
  s.join_group(group, "lo");
  EXPECT_EQ(code_of([&] { s.join_group(group, "lo"); }), std::errc::address_in_use);
  s.leave_group(group, "lo");
  EXPECT_EQ(code_of([&] { s.leave_group(group, "lo"); }), std::errc::address_not_available);
  EXPECT_EQ(code_of([&] { s.join_group(group, "no-such-if"); }), std::errc::no_such_device);
  EXPECT_EQ(code_of([&] { s.set_multicast_interface("no-such-if"); }), std::errc::no_such_device);
  EXPECT_EQ(code_of([&] { s.set_multicast_hops(100'000); }), std::errc::invalid_argument);
}

TEST(udp_multicast, groups_are_heard_between_join_and_leave) {
  with_runtimes([] {
    auto receiver = udp_socket::bind("0.0.0.0:0");
    const endpoint group("239.255.18.3", receiver.local_endpoint().port());
    auto sender = udp_socket::bind("0.0.0.0:0");
    sender.set_multicast_interface("lo");
    sender.send_to(bytes(4), group);
    receiver.join_group(group, "lo");
    sender.send_to(bytes(5), group);
    std::array<std::byte, 8> room{};
    EXPECT_EQ(receiver.receive(room).size, 5U);
    receiver.leave_group(group, "lo");
    sender.send_to(bytes(6), group);
    sender.send_to(bytes(7), endpoint("127.0.0.1", group.port()));
    EXPECT_EQ(receiver.receive(room).size, 7U);
    join_and_leave(receiver, group);
    EXPECT_EQ(code_of([&] { receiver.join_group("127.0.0.1:0", "lo"); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { receiver.join_group("unix:/x"); }), std::errc::address_family_not_supported);
  });
}

TEST(udp_multicast, groups_of_ipv6) {
  // The loopback interface has no route for them, so what is joined is seen and not heard.
  with_runtimes([] {
    auto s = udp_socket::bind("[::]:0");
    join_and_leave(s, "[ff01::4:2042]:0");
    EXPECT_EQ(code_of([&] { s.join_group("[::1]:0", "lo"); }), std::errc::invalid_argument);
  });
}

TEST(udp_multicast, options_of_multicast_reach_the_kernel) {
  with_runtimes([] {
    auto v4 = udp_socket::bind("127.0.0.1:0");
    v4.set_multicast_hops(3);
    EXPECT_EQ(option(v4, IPPROTO_IP, IP_MULTICAST_TTL), 3);
    v4.set_multicast_loop(false);
    EXPECT_EQ(option(v4, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    auto v6 = udp_socket::bind("[::1]:0");
    v6.set_multicast_interface("lo");
    EXPECT_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_IF), 1);
    v6.set_multicast_hops(3);
    EXPECT_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 3);
    v6.set_multicast_loop(false);
    EXPECT_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 0);
  });
}

}  // namespace
}  // namespace sennit::test

// What every socket of messages promises, over UDP (IPv4 and IPv6) and Unix datagrams.
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#include "net/unix_names.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// A bound socket that receives, and one that sends and may be answered.
template <class Socket>
struct peers {
  Socket receiver;
  Socket sender;
};

struct udp4_kind {
  static peers<udp_socket> unconnected() { return {udp_socket::bind("127.0.0.1:0"), udp_socket::bind("127.0.0.1:0")}; }
};

struct udp6_kind {
  static peers<udp_socket> unconnected() { return {udp_socket::bind("[::1]:0"), udp_socket::bind("[::1]:0")}; }
};

struct unix_kind_of_messages {
  static peers<unix_datagram> unconnected() {
    return {unix_datagram::bind(abstract_name()), unix_datagram::bind(abstract_name())};
  }
};

template <class Kind>
class datagram : public ::testing::Test {};
using kinds = ::testing::Types<udp4_kind, udp6_kind, unix_kind_of_messages>;
TYPED_TEST_SUITE(datagram, kinds);

/// Both ends know each other.
template <class Kind>
auto connected_peers() {
  auto p = Kind::unconnected();
  p.sender.set_peer(p.receiver.local_endpoint());
  p.receiver.set_peer(p.sender.local_endpoint());
  return p;
}

TYPED_TEST(datagram, messages_keep_their_bounds_and_name_their_sender) {
  with_runtimes([] {
    auto p = TypeParam::unconnected();
    const socket_address to(p.receiver.local_endpoint());
    for (const std::size_t size : {1U, 100U, 0U, 8000U}) p.sender.send_to(random_bytes(size, 1), to);
    p.sender.send_to(random_bytes(7, 1), p.receiver.local_endpoint());
    bytes room(10'000);
    for (const std::size_t size : {1U, 100U, 0U, 8000U, 7U}) {
      socket_address from;
      const received got = p.receiver.receive_from(room, from);
      EXPECT_EQ(got.size, size);
      EXPECT_FALSE(got.truncated);
      EXPECT_EQ(bytes(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)), random_bytes(size, 1));
      EXPECT_EQ(from.to_endpoint(), p.sender.local_endpoint());
      EXPECT_EQ(from, socket_address(p.sender.local_endpoint()));
      p.receiver.send_to(std::span(room).first(size), from);
      EXPECT_EQ(p.sender.receive(room).size, size);
    }
  });
}

TYPED_TEST(datagram, a_message_that_does_not_fit_says_so) {
  with_runtimes([] {
    auto p = connected_peers<TypeParam>();
    const bytes large = random_bytes(100, 1);
    p.sender.send(large);
    p.sender.send(random_bytes(10, 2));
    bytes room(10);
    received got = p.receiver.receive(room);
    EXPECT_EQ(got.size, 10U);
    EXPECT_TRUE(got.truncated);
    EXPECT_EQ(room, bytes(large.begin(), large.begin() + 10));
    got = p.receiver.receive(room);
    EXPECT_EQ(got.size, 10U);
    EXPECT_FALSE(got.truncated);
    EXPECT_EQ(room, random_bytes(10, 2)) << "the rest of the first one is gone";
  });
}

TYPED_TEST(datagram, batches) {
  with_runtimes([] {
    auto p = TypeParam::unconnected();
    const socket_address to(p.receiver.local_endpoint());
    constexpr std::size_t count = 200;
    bytes data = random_bytes(count, 5);
    std::vector<outgoing_datagram> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back({std::span(data).first(i), to});
    scope s;
    s.spawn([&] { EXPECT_EQ(p.sender.send_batch(out), count); });
    bytes room(100 * 256);
    std::vector<incoming_datagram> in(100);
    for (std::size_t i = 0; i < in.size(); ++i) in[i].room = std::span(room).subspan(i * 256, 150);
    for (std::size_t got = 0; got < count;) {
      const std::size_t n = p.receiver.receive_batch(in);
      ASSERT_GE(n, 1U);
      ASSERT_LE(n, 64U);
      for (std::size_t i = 0; i < n; ++i, ++got) {
        ASSERT_EQ(in[i].got.size, std::min<std::size_t>(got, 150));
        ASSERT_EQ(in[i].got.truncated, got > 150);
        ASSERT_EQ(in[i].from.to_endpoint(), p.sender.local_endpoint());
        ASSERT_TRUE(std::ranges::equal(in[i].data(), std::span(data).first(in[i].got.size)));
      }
    }
    s.join();
    std::error_code ec;
    EXPECT_EQ(p.receiver.receive_batch({}, ec), 0U);
    EXPECT_FALSE(ec);
    EXPECT_EQ(p.sender.send_batch({}, ec), 0U);
    EXPECT_FALSE(ec);
  });
}

TYPED_TEST(datagram, a_batch_stops_at_the_message_that_cannot_be_sent) {
  with_runtimes([] {
    auto p = connected_peers<TypeParam>();
    const bytes small(10);
    const bytes huge(8 << 20);
    std::error_code ec;
    EXPECT_EQ(p.sender.send_batch(std::vector<outgoing_datagram>{{small}, {small}, {huge}, {small}}, ec), 2U);
    EXPECT_EQ(ec, std::errc::message_size);
    EXPECT_EQ(code_of([&] { p.sender.send(huge); }), std::errc::message_size);
  });
}

TYPED_TEST(datagram, deadline_and_stop_end_a_receive) {
  with_runtimes([] {
    auto p = TypeParam::unconnected();
    std::array<std::byte, 8> b{};
    std::error_code ec;
    p.receiver.expires_after(2ms);
    p.receiver.receive(b, ec);
    EXPECT_EQ(ec, sennit::error::deadline_passed);
    p.receiver.expires_never();
    for (const bool ambient : {false, true}) {
      stop_source source;
      park_probe waiting;
      scope s;
      s.spawn([&] {
        socket_address from;
        waiting.here();
        p.receiver.receive_from(b, from, ec, ambient ? stop_token() : source.get_token());
        EXPECT_EQ(ec, std::errc::operation_canceled);
        EXPECT_TRUE(from.empty());
      });
      waiting.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
    }
    p.sender.send_to(b, p.receiver.local_endpoint());
    EXPECT_EQ(p.receiver.receive(b).size, 8U);
  });
}

TYPED_TEST(datagram, plain_threads_block) {
  auto p = connected_peers<TypeParam>();
  std::thread echo([&] {
    bytes room(100);
    for (int i = 0; i < 100; ++i) p.receiver.send(std::span(room).first(p.receiver.receive(room).size));
  });
  bytes room(100);
  for (int i = 0; i < 100; ++i) {
    p.sender.send(std::span(room).first(static_cast<std::size_t>(i)));
    EXPECT_EQ(p.sender.receive(room).size, static_cast<std::size_t>(i));
  }
  echo.join();
}

TYPED_TEST(datagram, every_message_makes_its_receiver_look) {
  // Hazard 14: readiness is cleared at EAGAIN only; messages come while the receiver is about to wait.
  with_runtimes([] {
    auto p = connected_peers<TypeParam>();
    const std::size_t count = scaled(100'000);
    scope s;
    s.spawn([&] {
      std::array<std::byte, 4> b{};
      for (std::size_t i = 0; i < count; ++i) {
        p.receiver.receive(b);
        p.receiver.send(b);
      }
    });
    std::array<std::byte, 4> b{};
    for (std::size_t i = 0; i < count; ++i) {
      b[0] = static_cast<std::byte>(i);
      p.sender.send(b);
      ASSERT_EQ(p.sender.receive(b).size, 4U);
      ASSERT_EQ(b[0], static_cast<std::byte>(i));
    }
    s.join();
  });
}

TYPED_TEST(datagram, names_that_were_not_resolved_are_refused) {
  with_runtimes([] {
    auto p = TypeParam::unconnected();
    std::error_code ec;
    p.sender.send_to(bytes(1), endpoint("localhost:1"), ec);
    EXPECT_EQ(ec, std::errc::address_family_not_supported);
    p.sender.send_to(bytes(1), endpoint(), ec);
    EXPECT_EQ(ec, std::errc::destination_address_required);
    try {
      p.sender.send_to(bytes(1), endpoint("localhost:1"));
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find("send_to localhost:1"), std::string::npos) << e.what();
    }
    EXPECT_TRUE(socket_address().empty());
    EXPECT_EQ(socket_address().to_endpoint(), endpoint());
    EXPECT_NE(socket_address(p.sender.local_endpoint()), socket_address(p.receiver.local_endpoint()));
  });
}

TYPED_TEST(datagram, leaves_no_descriptor_behind) {
  with_runtimes([] {
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
      auto p = connected_peers<TypeParam>();
      std::error_code ec;
      p.receiver.expires_after(0s);
      p.receiver.receive({}, ec);
      EXPECT_EQ(ec, std::errc::timed_out);
      p.sender.send(bytes(3));
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

}  // namespace
}  // namespace sennit::test

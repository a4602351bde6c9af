// What only Unix datagrams have: they are never lost, so a receiver that is slow holds up who sends.
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#include "net/unix_names.hpp"
#include "support/files.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// Sends until the receiver's queue is full.
std::size_t fill(unix_datagram& from, const socket_address& to) {
  std::size_t count = 0;
  std::error_code ec;
  from.expires_after(0s);
  for (;; ++count) {
    from.send_to(std::array{static_cast<std::byte>(count)}, to, ec);
    if (ec) break;
  }
  EXPECT_EQ(ec, std::errc::timed_out);
  from.expires_never();
  return count;
}

TEST(unix_datagram, who_sends_to_a_full_receiver_waits_until_there_is_room) {
  with_runtimes([] {
    for (const bool connected : {false, true}) {
      auto receiver = unix_datagram::bind(abstract_name());
      const socket_address to(receiver.local_endpoint());
      auto sender = unix_datagram::open();
      const std::size_t full = fill(sender, to);
      EXPECT_GE(full, 1U);
      if (connected) sender.set_peer(receiver.local_endpoint());
      const std::size_t count = full + scaled(20'000);
      park_probe sending;
      scope s;
      s.spawn([&] {
        sending.here();
        for (std::size_t i = full; i < count; ++i) {
          const std::array message{static_cast<std::byte>(i)};
          connected ? sender.send(message) : sender.send_to(message, to);
        }
      });
      sending.await_parked();
      std::array<std::byte, 4> b{};
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(receiver.receive(b).size, 1U);
        ASSERT_EQ(b[0], static_cast<std::byte>(i));
      }
      s.join();
    }
  });
}

TEST(unix_datagram, a_full_sender_waits_for_its_own_buffer) {
  with_runtimes([] {
    auto receiver = unix_datagram::bind(abstract_name());
    const socket_address to(receiver.local_endpoint());
    auto sender = unix_datagram::open();
    sender.set_send_buffer(4608);
    const bytes large(1500);
    park_probe sending;
    scope s;
    constexpr int count = 200;
    s.spawn([&] {
      sending.here();
      for (int i = 0; i < count; ++i) sender.send_to(large, to);
    });
    sending.await_parked();
    bytes room(2000);
    for (int i = 0; i < count; ++i) ASSERT_EQ(receiver.receive(room).size, large.size());
    s.join();
  });
}

TEST(unix_datagram, deadline_stop_and_close_end_the_wait_for_a_receiver) {
  with_runtimes([] {
    const std::size_t before = open_descriptors();
    {
      auto receiver = unix_datagram::bind(abstract_name());
      const socket_address to(receiver.local_endpoint());
      auto sender = unix_datagram::open();
      fill(sender, to);
      std::error_code ec;
      const auto start = std::chrono::steady_clock::now();
      sender.expires_after(25ms);  // longer than one look
      sender.send_to(bytes(1), to, ec);
      EXPECT_EQ(ec, sennit::error::deadline_passed);
      EXPECT_GE(std::chrono::steady_clock::now() - start, 25ms);
      sender.expires_never();
      stop_source source;
      for (int how = 0; how < 4; ++how) {
        park_probe sending;
        scope s;
        s.spawn([&] {
          sending.here();
          sender.send_to(bytes(1), to, ec, how == 0 ? source.get_token() : stop_token());
        });
        sending.await_parked();
        if (how == 0) source.request_stop();
        if (how == 1) s.request_stop();
        if (how == 2) std::thread([&] { sender.close(); }).join();
        if (how == 3) receiver.close();
        s.join();
        EXPECT_EQ(ec, how == 2   ? std::errc::bad_file_descriptor
                      : how == 3 ? std::errc::connection_refused
                                 : std::errc::operation_canceled);
        if (how == 2) sender = unix_datagram::open();
      }
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST(unix_datagram, paths_names_and_errors) {
  with_runtimes([] {
    const scratch_directory dir;
    const endpoint at("unix:" + dir / "s");
    auto receiver = unix_datagram::bind(at);
    auto sender = unix_datagram::connect(at);
    EXPECT_EQ(sender.remote_endpoint(), at);
    sender.send(bytes(3));
    bytes room(10);
    socket_address from;
    EXPECT_EQ(receiver.receive_from(room, from).size, 3U);
    EXPECT_EQ(from.to_endpoint().host(), "") << "the sender has no name";
    std::error_code ec;
    EXPECT_FALSE(unix_datagram::bind(at, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_in_use);
    EXPECT_FALSE(unix_datagram::connect("unix:" + dir / "none", ec).is_open());
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    EXPECT_FALSE(unix_datagram::connect("127.0.0.1:1", ec).is_open());
    EXPECT_EQ(ec, std::errc::address_family_not_supported);
    receiver.close();
    sender.send(room, ec);
    EXPECT_EQ(ec, std::errc::connection_refused);
    sender.send(room, ec);
    EXPECT_TRUE(ec == std::errc::connection_refused || ec == std::errc::not_connected) << ec.message();
    auto [a, b] = unix_datagram::pair();
    a.send(bytes(4));
    EXPECT_EQ(b.receive(room).size, 4U);
  });
}

}  // namespace
}  // namespace sennit::test

// Hazard 16: a fork() while I/O is in flight. The child shares descriptors and the kernel's queues of events with the
// parent: whatever it does with its copies, the parent's connections go on.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include "net/streams.hpp"
#include "net/tagged_bytes.hpp"
#include "support/child.hpp"

namespace sennit::test {
namespace {

constexpr std::size_t rounds_of_a_turn = 10;

/// Messages go back and forth, so many for each turn; in between everybody waits, one of them for data.
template <class A, class B>
void ping_pong(A& a, B& b, std::uint64_t tag, channel<int>& turns, std::atomic<std::size_t>& rounds) {
  scope s;
  s.spawn([&] {
    std::array<std::byte, 64> room{};
    while (const std::size_t n = b.read_some(room)) b.write_all(std::span(room).first(n));
  });
  tagged_bytes out(tag);
  tagged_bytes back(tag);
  std::array<std::byte, 64> room{};
  while (turns.receive()) {
    for (std::size_t i = 0; i < rounds_of_a_turn; ++i) {
      out.fill(room);
      a.write_all(room);
      room = {};
      EXPECT_EQ(a.read_exact(room), room.size());
      EXPECT_TRUE(back.matches(room));
    }
    ++rounds;
  }
  a.shutdown_send();
  s.join();
}

TEST(fork_in_flight, many_children_disturb_no_connection) {
  runtime rt({.workers = 2, .stall_threshold = {}});
  channel<int> turns;
  constexpr std::size_t connections = 16;
  std::atomic<std::size_t> rounds{0};
  fiber all = rt.spawn([&] {
    scope s;
    for (std::uint64_t i = 0; i < connections / 2; ++i) {
      s.spawn([&, i] {
        auto t = tcp_kind::connected();
        ping_pong(t.writer, t.reader, i * 3, turns, rounds);
      });
      s.spawn([&, i] {
        auto u = unix_kind::connected();
        ping_pong(u.writer, u.reader, i * 5, turns, rounds);
      });
    }
    s.join();
  });
  for (std::size_t i = scaled(2000); i > 0; --i) {
    // In the child: no runtime, one clear error.
    ASSERT_EQ(in_child([&] {
                return code_of([&] { static_cast<void>(rt.spawn([] {})); }) == std::errc::operation_not_permitted ? 0
                                                                                                                  : 1;
              }),
              0);
    const std::size_t before = rounds;
    for (std::size_t c = 0; c < connections; ++c) turns.send(1);
    while (rounds < before + connections) std::this_thread::yield();  // and the parent goes on
  }
  turns.close();
  all.join();
}

/// Registered with the runtime's poller, and shared: it is taken out of there before it is closed.
unix_stream registered(runtime& rt, unix_stream&& s) {
  auto again = unix_stream::adopt(s.release());
  rt.run([&] {
    std::array<std::byte, 1> b{};
    std::error_code ec;
    again.expires_at(std::chrono::steady_clock::time_point());
    again.read_some(b, ec);
    EXPECT_EQ(ec, error::deadline_passed);
    again.expires_never();
  });
  return again;
}

TEST(fork_in_flight, a_child_that_closes_its_copies_leaves_the_parents_registered) {
  // The child has the parent's queue: what it takes out of it, the parent waits for in vain.
  runtime rt({.workers = 2, .stall_threshold = {}});
  auto a = unix_kind::connected();
  auto b = unix_kind::connected();
  auto c = unix_kind::connected();
  unix_stream closed = registered(rt, std::move(a.reader));
  unix_stream released = registered(rt, std::move(b.reader));
  std::optional<fd_guard> guard(c.reader.native_handle());
  rt.run([&] { EXPECT_FALSE(guard->wait_readable_for(std::chrono::nanoseconds(1))); });
  EXPECT_EQ(in_child([&] {
              closed.close();
              static_cast<void>(released.release());
              guard.reset();
              return 0;
            }),
            0);
  park_probe waiting;
  fiber waits = rt.spawn([&] {
    std::array<std::byte, 1> room{};
    waiting.here();
    EXPECT_EQ(closed.read_some(room), 1U);
    EXPECT_EQ(released.read_some(room), 1U);
    guard->wait_readable();
  });
  while (!waiting.parked()) std::this_thread::yield();
  for (auto* const writer : {&a.writer, &b.writer, &c.writer}) {
    writer->write_all(std::array{std::byte{42}});
    while (writer != &c.writer && !waiting.parked()) std::this_thread::yield();
  }
  waits.join();
}

}  // namespace
}  // namespace sennit::test

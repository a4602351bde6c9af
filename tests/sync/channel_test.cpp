// What one channel operation does; channel_stress_test.cpp has the crowds.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::haunted;
using test::park_probe;
using test::scaled;

class channel_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(channel_test);

/// Counts the living instances: a message that is lost or destroyed twice shows.
struct counted {
  static inline std::atomic<int> alive{0};
  int value;
  explicit counted(int v) noexcept : value(v) { ++alive; }
  counted(counted&& o) noexcept : value(std::exchange(o.value, -1)) { ++alive; }
  counted& operator=(counted&&) = delete;
  ~counted() { --alive; }
};

TEST_P(channel_test, rendezvous_send_returns_once_received) {
  run([] {
    channel<int> ch;
    park_probe sender;
    std::atomic<bool> sent{false};
    EXPECT_FALSE(ch.try_send(1));
    EXPECT_FALSE(ch.try_receive());
    fiber f = spawn([&] {
      sender.here();
      ch.send(7);
      sent = true;
    });
    sender.await_parked();
    EXPECT_FALSE(sent);
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_EQ(ch.try_receive(), 7);
    f.join();
    EXPECT_TRUE(sent);
  });
}

TEST_P(channel_test, rendezvous_with_a_receiver_that_waits) {
  run([] {
    channel<std::unique_ptr<int>> ch;
    park_probe receiver;
    fiber f = spawn([&] {
      receiver.here();
      EXPECT_EQ(**ch.receive(), 5);
    });
    receiver.await_parked();
    EXPECT_TRUE(ch.try_send(std::make_unique<int>(5)));
    f.join();
  });
}

TEST_P(channel_test, bounded_keeps_the_order_past_a_sender_that_waits) {
  run([] {
    channel<int> ch(2);
    EXPECT_EQ(ch.capacity(), 2u);
    park_probe sender;
    ch.send(1);
    ch.send(2);
    EXPECT_FALSE(ch.try_send(99));
    fiber f = spawn([&] {
      sender.here();
      ch.send(3);
    });
    sender.await_parked();
    EXPECT_EQ(ch.receive(), 1);
    // The waiting message took the room before anybody could: this one comes behind it, or not at all.
    EXPECT_FALSE(ch.try_send(4));
    f.join();
    EXPECT_EQ(ch.size(), 2u);
    EXPECT_EQ(ch.receive(), 2);
    EXPECT_EQ(ch.receive(), 3);
    EXPECT_FALSE(ch.try_receive());
  });
}

TEST_P(channel_test, unbounded_grows_and_keeps_the_order) {
  run([] {
    channel<std::string> ch(unbounded);
    int sent = 0;
    int received = 0;
    // Two in, one out: the ring has wrapped whenever it grows.
    while (sent < 1000) {
      for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(ch.try_send(std::to_string(sent++) + " a string that is not stored in place"));
      ASSERT_TRUE(ch.receive()->starts_with(std::to_string(received++) + " "));
    }
    EXPECT_EQ(ch.size(), 500u);
    ch.close();
    for (const std::string& s : ch) ASSERT_TRUE(s.starts_with(std::to_string(received++) + " "));
    EXPECT_EQ(received, sent);
  });
}

TEST_P(channel_test, what_was_not_sent_stays_with_the_sender) {
  run([] {
    channel<std::unique_ptr<int>> ch(1);
    auto message = std::make_unique<int>(1);
    EXPECT_TRUE(ch.try_send(message));
    EXPECT_EQ(message, nullptr);
    message = std::make_unique<int>(2);
    EXPECT_FALSE(ch.try_send(message));
    ASSERT_NE(message, nullptr);
    ch.close();
    EXPECT_EQ(code_of([&] { ch.try_send(message); }), std::errc::broken_pipe);
    ASSERT_NE(message, nullptr);
    EXPECT_EQ(*message, 2);
  });
}

TEST_P(channel_test, messages_are_destroyed_exactly_once) {
  run([] {
    {
      channel<counted> full(8);
      for (int i = 0; i < 8; ++i) full.send(counted(i));
      for (int i = 0; i < 3; ++i) EXPECT_EQ(full.receive()->value, i);
      for (int i = 8; i < 10; ++i) full.send(counted(i));
      EXPECT_FALSE(full.send_for(counted(10), 1s * 0) && full.send_for(counted(11), 1ms));
      EXPECT_EQ(counted::alive, 8);
    }
    EXPECT_EQ(counted::alive, 0);
  });
}

TEST_P(channel_test, a_closed_channel_drains_and_refuses) {
  run([] {
    channel<int> ch(4);
    ch.send(1);
    ch.send(2);
    EXPECT_FALSE(ch.closed());
    ch.close();
    EXPECT_TRUE(ch.closed());
    EXPECT_EQ(code_of([&] { ch.send(3); }), std::errc::broken_pipe);
    EXPECT_EQ(code_of([&] { ch.send_for(3, 1ms); }), std::errc::broken_pipe);
    EXPECT_EQ(code_of([&] { ch.close(); }), std::errc::broken_pipe);
    EXPECT_EQ(ch.receive(), 1);
    EXPECT_EQ(ch.receive_for(1ms), 2);
    EXPECT_EQ(ch.receive(), std::nullopt);
    EXPECT_EQ(ch.try_receive(), std::nullopt);
  });
}

TEST_P(channel_test, close_wakes_everybody) {
  run([] {
    channel<int> never_full;
    channel<int> never_empty(1);
    never_empty.send(0);
    std::vector<park_probe> probes(8);
    std::atomic<int> ended{0};
    std::atomic<int> refused{0};
    scope s;
    for (std::size_t i = 0; i < probes.size(); ++i) {
      s.spawn([&, i] {
        probes[i].here();
        if (i % 2 == 0) {
          ended += never_full.receive() == std::nullopt;
        } else {
          refused += code_of([&] { never_empty.send(1); }) == std::errc::broken_pipe;
        }
      });
    }
    for (const park_probe& p : probes) p.await_parked();
    never_full.close();
    never_empty.close();
    s.join();
    EXPECT_EQ(ended, 4);
    EXPECT_EQ(refused, 4);
    EXPECT_EQ(never_empty.receive(), 0);  // what was in the ring is still there, what waited is not
    EXPECT_EQ(never_empty.receive(), std::nullopt);
  });
}

TEST_P(channel_test, deadlines) {
  run([] {
    channel<int> ch;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(ch.receive_for(2ms), std::nullopt);
    EXPECT_FALSE(ch.send_for(1, 2ms));
    EXPECT_GE(std::chrono::steady_clock::now() - start, 4ms);
    EXPECT_FALSE(ch.closed());
    EXPECT_EQ(ch.receive_until(start), std::nullopt);
    // Nobody is left in the queues: a message must not go to a receiver that has given up.
    EXPECT_FALSE(ch.try_send(1));
    EXPECT_FALSE(ch.try_receive());
  });
}

TEST_P(channel_test, an_ambient_stop_ends_send_and_receive_that_wait) {
  run([] {
    channel<int> ch(1);
    channel<int> empty;
    ch.send(1);
    park_probe sender;
    park_probe receiver;
    std::atomic<int> canceled{0};
    scope s;
    s.spawn([&] {
      sender.here();
      canceled += code_of([&] { ch.send(2); }) == std::errc::operation_canceled;
    });
    s.spawn([&] {
      receiver.here();
      canceled += code_of([&] { static_cast<void>(empty.receive()); }) == std::errc::operation_canceled;
    });
    sender.await_parked();
    receiver.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(canceled, 2);
    EXPECT_EQ(ch.receive(), 1);
    EXPECT_FALSE(ch.try_receive());
  });
}

// Hazard 27: who got the last message, or whose message was taken, destroys the channel.
TEST_P(channel_test, destroyed_at_once_by_the_receiver) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(50'000); ++i) {
      haunted<channel<int>> ch(i % 2);
      fiber sender = other.spawn([&] { ch->send(1); });
      EXPECT_EQ(ch->receive(), 1);
      ch.destroy();
      sender.join();
      ASSERT_TRUE(ch.intact()) << "round " << i;
    }
  });
}

TEST_P(channel_test, destroyed_at_once_by_the_sender) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(50'000); ++i) {
      haunted<channel<int>> ch(std::size_t{0});
      fiber receiver = other.spawn([&] { EXPECT_EQ(ch->receive(), 1); });
      ch->send(1);
      ch.destroy();
      receiver.join();
      ASSERT_TRUE(ch.intact()) << "round " << i;
    }
  });
}

TEST(channel_death_test, destroyed_while_somebody_waits) {
  EXPECT_DEATH(sennit::run([] {
                 auto ch = std::make_unique<channel<int>>();
                 park_probe probe;
                 fiber f = spawn([&, raw = ch.get()] {
                   probe.here();
                   raw->send(1);
                 });
                 probe.await_parked();
                 ch.reset();
               }),
               "destroyed while somebody waits in it: join its users first; there waits fiber .fiber.");
}

TEST(channel_limits_test, an_absurd_capacity_is_refused) {
  EXPECT_THROW(channel<int>(~std::size_t{0}), std::bad_alloc);
  EXPECT_THROW(channel<int>(~std::size_t{0} / 4), std::bad_alloc);
}

}  // namespace
}  // namespace sennit

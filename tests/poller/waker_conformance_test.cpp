// Every backend: a wake is never lost, never repeated, and can be given by anyone at any time.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "poller/waker.hpp"
#include "support/descriptors.hpp"
#include "support/scale.hpp"

namespace sennit::detail {
namespace {

constexpr nanos patience = 20'000'000'000;
constexpr std::uint64_t token = 0xfedcba9876543210;

/// A poller and its waker, as a worker has them.
struct bell {
  poller p;
  waker w{p, token};

  /// Waits for one ring: false if none came.
  bool heard(nanos timeout) {
    std::array<poll_event, 4> events;
    const int count = p.wait(events, timeout);
    if (count == 0) return false;
    EXPECT_EQ(count, 1);
    EXPECT_EQ(events[0].token, token);
    EXPECT_NE(events[0].bits & poll_event::readable, 0);
    w.acknowledge();
    return true;
  }
};

TEST(waker, is_silent_by_itself) {
  bell b;
  EXPECT_FALSE(b.heard(0));
}

TEST(waker, wake_before_wait_is_reported_by_it) {
  bell b;
  for (int i = 0; i < 10; ++i) {
    b.w.wake();
    ASSERT_TRUE(b.heard(i == 0 ? never : patience));
    EXPECT_FALSE(b.heard(0));
  }
}

TEST(waker, wakes_that_nobody_saw_are_one_report) {
  bell b;
  for (int i = 0; i < 1000; ++i) b.w.wake();
  EXPECT_TRUE(b.heard(0));
  EXPECT_FALSE(b.heard(0));
  b.w.wake();
  EXPECT_TRUE(b.heard(0));
}

// More than a pipe holds.
TEST(waker, never_blocks_and_never_fills_up) {
  bell b;
  for (int i = 0; i < 200'000; ++i) b.w.wake();
  EXPECT_TRUE(b.heard(0));
  EXPECT_FALSE(b.heard(0));
  b.w.wake();
  EXPECT_TRUE(b.heard(0));
}

TEST(waker, several_share_a_poller) {
  poller p;
  waker one(p, 1), two(p, 2);
  std::array<poll_event, 4> events;
  two.wake();
  ASSERT_EQ(p.wait(events, 0), 1);
  EXPECT_EQ(events[0].token, 2U);
  two.acknowledge();
  one.wake();
  two.wake();
  EXPECT_EQ(p.wait(events, 0), 2);
}

TEST(waker, does_not_hide_other_events) {
  bell b;
  const auto pair = test::unix_pair();
  ASSERT_EQ(b.p.add(pair.a.get(), 1, interest::writable, trigger::level), 0);
  b.w.wake();
  std::array<poll_event, 4> events;
  EXPECT_EQ(b.p.wait(events, 0), 2);
}

// Two threads wake each other in turn. A wake falls before the other's wait, into it, or between its return and its
// next one, as it comes; one that is lost leaves both asleep.
TEST(waker, ping_pong_loses_no_wake) {
  const std::size_t rounds = test::scaled(1'000'000);
  bell ping, pong;
  std::thread other([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      if (!pong.heard(patience)) return;
      ping.w.wake();
    }
  });
  std::size_t answered = 0;
  for (; answered < rounds; ++answered) {
    pong.w.wake();
    if (!ping.heard(patience)) break;
  }
  other.join();
  EXPECT_EQ(answered, rounds);
}

// What a waker announces before its wake is seen after the report and the acknowledgement, also if its wake was one of
// several that became one report.
TEST(waker, announcements_are_seen_whoever_rang_last) {
  constexpr std::size_t threads = 3;
  const std::size_t rounds = test::scaled(1'000'000);
  bell b;
  std::array<std::atomic<std::size_t>, threads> announced{};
  std::vector<std::thread> crew;
  for (auto& mine : announced)
    crew.emplace_back([&] {
      for (std::size_t i = 1; i <= rounds; ++i) {
        mine.store(i, std::memory_order_relaxed);
        b.w.wake();
      }
    });
  std::size_t seen = 0;
  while (seen < threads * rounds) {
    ASSERT_TRUE(b.heard(patience)) << "asleep after " << seen;
    seen = 0;
    for (const auto& a : announced) seen += a.load(std::memory_order_relaxed);
  }
  for (auto& t : crew) t.join();
}

// Plain memory, ordered by nothing but the wake: TSan must agree.
TEST(waker, orders_what_was_written_before_the_wake) {
  bell b;
  int value = 0;
  std::thread other([&] {
    value = 42;
    b.w.wake();
  });
  EXPECT_TRUE(b.heard(patience));
  EXPECT_EQ(value, 42);
  other.join();
}

// Hazard 16: a child that holds the descriptors keeps the open file alive, and with it a registration that only close()
// would end.
TEST(waker, destruction_ends_its_registration_though_a_child_holds_the_descriptor) {
  poller p;
  std::optional<waker> w(std::in_place, p, token);
  auto hold = test::pipe_pair();
  ASSERT_EQ(::fcntl(hold.a.get(), F_SETFL, 0), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte;
    hold.b = test::unique_fd(::dup(hold.a.get()));  // let go of the parent's end
    ::_exit(::read(hold.a.get(), &byte, 1) == 1 ? 0 : 1);
  }
  w->wake();
  w.reset();
  std::array<poll_event, 1> events;
  EXPECT_EQ(p.wait(events, 0), 0);
  test::put(hold.b.get(), "x");
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(waker, is_not_passed_on_by_exec) {
  const auto before = test::inheritable_fds();
  const bell b;
  EXPECT_EQ(test::inheritable_fds(), before);
}

}  // namespace
}  // namespace sennit::detail

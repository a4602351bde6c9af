// Every backend: what wait() promises about time, signals, batches and other threads.
#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>
#include <vector>

#include "poller/poller.hpp"
#include "support/descriptors.hpp"
#include "support/scale.hpp"

namespace sennit::detail {
namespace {

constexpr nanos millisecond = 1'000'000;
constexpr nanos patience = 20'000 * millisecond;

nanos clock_now() { return to_nanos(std::chrono::steady_clock::now()); }

/// How long a wait with nothing to report takes.
nanos time_wait(poller& p, nanos timeout) {
  std::array<poll_event, 1> events;
  const nanos begin = clock_now();
  EXPECT_EQ(p.wait(events, timeout), 0);
  return clock_now() - begin;
}

/// The best of many: what the backend adds by itself, not what other processes do.
nanos shortest_wait(poller& p, nanos timeout, int tries) {
  nanos best = never;
  for (int i = 0; i < tries; ++i) {
    const nanos took = time_wait(p, timeout);
    EXPECT_GE(took, timeout);  // never early, not once
    best = std::min(best, took);
  }
  return best;
}

TEST(poller_wait, zero_and_less_do_not_block) {
  poller p;
  EXPECT_LT(shortest_wait(p, 0, 20), millisecond);
  EXPECT_LT(shortest_wait(p, -1, 20), millisecond);
  EXPECT_LT(shortest_wait(p, std::numeric_limits<nanos>::min(), 20), millisecond);
}

TEST(poller_wait, is_neither_early_nor_grossly_late) {
  poller p;
  for (const nanos timeout : {1L, 1'000L, 300'000L, 1'000'000L, 1'300'000L, 20'000'000L}) {
    SCOPED_TRACE(timeout);
    EXPECT_LT(shortest_wait(p, timeout, 20), timeout + p.resolution() + millisecond);
  }
}

TEST(poller_wait, resolution_is_what_it_says) {
  poller p;
  ASSERT_TRUE(p.resolution() == 1 || p.resolution() == millisecond) << p.resolution();
  const nanos took = shortest_wait(p, 50'000, 50);
  if (p.resolution() == 1) {
    EXPECT_LT(took, millisecond);
  } else {
    EXPECT_GE(took, 50'000);
  }
}

TEST(poller_wait, ends_at_the_first_report) {
  poller p;
  const auto pair = test::unix_pair();
  ASSERT_EQ(p.add(pair.a.get(), 1, interest::writable, trigger::level), 0);
  std::array<poll_event, 4> events;
  for (const nanos timeout : {never, never - 1, patience * 1000}) EXPECT_EQ(p.wait(events, timeout), 1);
}

std::atomic<int> handled{0};

// The signal is repeated until the wait has returned, so it does not matter when the thread gets there.
TEST(poller_wait, returns_nothing_after_a_signal) {
  struct sigaction act{}, before{};
  act.sa_handler = [](int) { handled.fetch_add(1); };
  act.sa_flags = SA_RESTART;
  ASSERT_EQ(::sigaction(SIGUSR1, &act, &before), 0);
  poller p;
  std::atomic<int> result{1};
  std::thread sleeper([&] {
    std::array<poll_event, 1> events;
    result = p.wait(events, never);
  });
  for (int sent = 0; result == 1; std::this_thread::yield()) {
    if (sent > handled) continue;  // one at a time: more would leave the sleeper no time for anything else
    ++sent;
    ::pthread_kill(sleeper.native_handle(), SIGUSR1);
  }
  sleeper.join();
  EXPECT_EQ(result, 0);
  EXPECT_GT(handled, 0);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

/// 200 sockets, each with a byte to read.
struct crowd {
  static constexpr std::size_t size = 200;
  poller p;
  std::vector<test::fd_pair> pairs;

  explicit crowd(trigger how) {
    for (std::size_t i = 0; i < size; ++i) {
      pairs.push_back(test::unix_pair());
      test::put(pairs.back().b.get(), "x");
      EXPECT_EQ(p.add(pairs.back().a.get(), i, interest::readable, how), 0);
    }
  }

  /// The tokens of so many waits, in order.
  std::vector<std::uint64_t> reports(std::size_t room, std::size_t waits) {
    std::vector<std::uint64_t> tokens;
    std::vector<poll_event> events(room);
    for (std::size_t i = 0; i < waits; ++i) {
      const int count = p.wait(events, 0);
      EXPECT_GE(count, 0);
      EXPECT_LE(static_cast<std::size_t>(count), std::min(room, poller::max_events));
      for (int k = 0; k < count; ++k) tokens.push_back(events[static_cast<std::size_t>(k)].token);
    }
    return tokens;
  }
};

TEST(poller_wait, full_batches_leave_the_rest_for_the_next_call) {
  for (const trigger how : {trigger::edge, trigger::oneshot})
    for (const std::size_t room : {std::size_t{1}, std::size_t{7}, poller::max_events, std::size_t{500}}) {
      crowd c(how);
      const auto waits = (crowd::size + std::min(room, poller::max_events) - 1) / std::min(room, poller::max_events);
      const auto tokens = c.reports(room, waits);
      EXPECT_EQ(tokens.size(), crowd::size);
      EXPECT_EQ(std::set(tokens.begin(), tokens.end()).size(), crowd::size);
      EXPECT_TRUE(c.reports(room, 1).empty());
    }
}

// By level all of them stay ready; still nobody is told twice before everybody was told once.
TEST(poller_wait, full_batches_go_round) {
  crowd c(trigger::level);
  const auto tokens = c.reports(50, crowd::size / 50 * 3);
  ASSERT_EQ(tokens.size(), crowd::size * 3);
  for (auto round = tokens.begin(); round != tokens.end(); round += crowd::size)
    EXPECT_EQ(std::set(round, round + crowd::size).size(), crowd::size);
}

// Threads add, fill, remove and close descriptors of their own while another waits: every registration is reported.
TEST(poller_wait, others_register_and_remove_meanwhile) {
  constexpr std::size_t threads = 3;
  const std::size_t rounds = test::scaled(100'000);
  poller p;
  std::array<std::atomic<std::uint64_t>, threads> reported{};  // by thread: the newest round seen
  std::atomic<std::size_t> running{threads};
  std::vector<std::thread> crew;
  for (std::size_t t = 0; t < threads; ++t)
    crew.emplace_back([&, t] {
      for (std::uint64_t round = 1; round <= rounds; ++round) {
        const auto pair = test::unix_pair();
        if (round % 2 == 0) test::put(pair.b.get(), "x");  // ready before, or after
        EXPECT_EQ(p.add(pair.a.get(), t << 32 | round, interest::readable, trigger::edge), 0);
        if (round % 2 == 1) test::put(pair.b.get(), "x");
        reported[t].wait(round - 1);
        EXPECT_EQ(reported[t].load(), round);
        if (round % 3 != 0) continue;  // close() ends it
        EXPECT_EQ(p.remove(pair.a.get()), 0);
      }
      --running;
    });
  std::array<poll_event, 8> events;
  while (running > 0) {
    const int count = p.wait(events, millisecond);
    EXPECT_GE(count, 0);
    for (const auto& e : std::span(events).first(static_cast<std::size_t>(count))) {
      auto& mine = reported.at(e.token >> 32);
      const auto round = e.token & 0xffffffff;
      EXPECT_LE(round, mine.load() + 1);
      if (round <= mine.load()) continue;  // told before; now the peer has gone, too
      mine.store(round);
      mine.notify_one();
    }
  }
  for (auto& t : crew) t.join();
  for (const auto& r : reported) EXPECT_EQ(r, rounds);
}

TEST(poller_wait_death_test, wants_room_for_an_event) {
  testing::GTEST_FLAG(death_test_style) = "fast";
  poller p;
  EXPECT_DEATH((void)p.wait({}, 0), "give wait\\(\\) room for at least one event");
}

}  // namespace
}  // namespace sennit::detail

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include <sennit/event_queue.hpp>

#include "support/descriptors.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using event = event_queue::event;
using steady = std::chrono::steady_clock;

std::error_code code_of(auto f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

TEST(event_queue, reports_tokens_and_readiness) {
  event_queue queue;
  const auto pair = test::unix_pair();
  queue.add(pair.a.get(), 42, interest::both);
  std::array<event, 4> events;
  ASSERT_EQ(queue.poll(events), 1U);
  EXPECT_EQ(events[0].token, 42U);
  EXPECT_TRUE(events[0].writable);
  EXPECT_FALSE(events[0].readable || events[0].closed || events[0].failed);

  test::put(pair.b.get(), "x");
  queue.modify(pair.a.get(), 43, interest::readable);
  for (int i = 0; i < 2; ++i) {  // level is the default
    ASSERT_EQ(queue.poll(events, 0s), 1U);
    EXPECT_EQ(events[0].token, 43U);
    EXPECT_TRUE(events[0].readable);
    EXPECT_FALSE(events[0].writable || events[0].closed || events[0].failed);
  }
  queue.remove(pair.a.get());
  EXPECT_EQ(queue.poll(events, 0s), 0U);
}

TEST(event_queue, edge_and_oneshot) {
  event_queue queue;
  const auto pair = test::unix_pair();
  std::array<event, 4> events;
  test::put(pair.b.get(), "x");
  queue.add(pair.a.get(), 1, interest::readable, trigger::edge);
  EXPECT_EQ(queue.poll(events, 0s), 1U);
  EXPECT_EQ(queue.poll(events, 0s), 0U);
  test::put(pair.b.get(), "y");
  EXPECT_EQ(queue.poll(events, 0s), 1U);
  queue.modify(pair.a.get(), 1, interest::readable, trigger::oneshot);
  EXPECT_EQ(queue.poll(events, 0s), 1U);
  test::put(pair.b.get(), "z");
  EXPECT_EQ(queue.poll(events, 0s), 0U);
}

TEST(event_queue, end_of_stream_and_errors) {
  event_queue queue;
  std::array<event, 4> events;
  auto pair = test::unix_pair();
  queue.add(pair.a.get(), 1, interest::readable);
  test::checked(::shutdown(pair.b.get(), SHUT_WR), "shutdown");
  ASSERT_EQ(queue.poll(events), 1U);
  EXPECT_TRUE(events[0].closed && events[0].readable);
  EXPECT_FALSE(events[0].failed);
  queue.remove(pair.a.get());

  auto pipe = test::pipe_pair();
  queue.add(pipe.b.get(), 2, interest::writable);
  pipe.a = test::unique_fd();
  ASSERT_EQ(queue.poll(events), 1U);
  EXPECT_TRUE(events[0].failed && events[0].writable);
}

TEST(event_queue, urgent_data_makes_an_edge_readable) {
  event_queue queue;
  std::array<event, 4> events;
  const auto pair = test::tcp_pair();
  queue.add(pair.a.get(), 1, interest::readable, trigger::edge);
  test::checked(::send(pair.b.get(), "!", 1, MSG_OOB), "send");
  ASSERT_EQ(queue.poll(events, 20s), 1U);
  EXPECT_TRUE(events[0].readable);
}

TEST(event_queue, errors_of_registration) {
  event_queue queue;
  const auto pair = test::unix_pair();
  const int fd = pair.a.get();
  EXPECT_EQ(code_of([&] { queue.modify(fd, 1, interest::both); }), std::errc::no_such_file_or_directory);
  EXPECT_EQ(code_of([&] { queue.remove(fd); }), std::errc::no_such_file_or_directory);
  EXPECT_FALSE(code_of([&] { queue.add(fd, 1, interest::both); }));
  EXPECT_EQ(code_of([&] { queue.add(fd, 1, interest::both); }), std::errc::file_exists);
  EXPECT_EQ(code_of([&] { queue.add(-1, 1, interest::both); }), std::errc::bad_file_descriptor);
  const test::unique_fd file = test::regular_file();
  EXPECT_EQ(code_of([&] { queue.add(file.get(), 1, interest::readable); }), std::errc::operation_not_permitted);
}

// wake() needs one token for itself; taking it silently would hide the user's events.
TEST(event_queue, the_last_token_is_taken) {
  event_queue queue;
  const auto pair = test::unix_pair();
  constexpr auto last = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(code_of([&] { queue.add(pair.a.get(), last, interest::both); }), std::errc::invalid_argument);
  queue.add(pair.a.get(), last - 1, interest::both);
  EXPECT_EQ(code_of([&] { queue.modify(pair.a.get(), last, interest::both); }), std::errc::invalid_argument);
  std::array<event, 2> events;
  ASSERT_EQ(queue.poll(events, 0s), 1U);
  EXPECT_EQ(events[0].token, last - 1);
}

TEST(event_queue, wake_ends_a_poll_once) {
  event_queue queue;
  std::array<event, 2> events;
  queue.wake();
  queue.wake();
  EXPECT_EQ(queue.poll(events), 0U);  // without limit: only the wake ends it
  EXPECT_EQ(queue.poll(events, 0s), 0U);
  std::thread other([&] { queue.wake(); });
  EXPECT_EQ(queue.poll(events, -5s), 0U);  // below zero: no limit either
  other.join();
}

TEST(event_queue, wake_comes_with_events_and_does_not_displace_them) {
  event_queue queue;
  const auto pair = test::unix_pair();
  queue.add(pair.a.get(), 1, interest::writable, trigger::edge);
  queue.wake();
  std::array<event, 1> one;  // whichever of the two is first
  EXPECT_EQ(queue.poll(one, 0s) + queue.poll(one, 0s), 1U);
  EXPECT_EQ(one[0].token, 1U);
}

TEST(event_queue, waits_for_as_long_as_it_is_told) {
  event_queue queue;
  std::array<event, 1> events;
  for (const auto timeout : {0ns, 300'000ns, 5'000'000ns}) {
    const auto begin = steady::now();
    EXPECT_EQ(queue.poll(events, timeout), 0U);
    EXPECT_GE(steady::now() - begin, timeout);
  }
  queue.wake();
  EXPECT_EQ(queue.poll(events, std::chrono::nanoseconds::max()), 0U);
}

std::atomic<int> handled{0};

// A storm of signals neither shortens a poll nor lengthens it for ever.
TEST(event_queue, goes_on_after_signals) {
  struct sigaction act{}, before{};
  act.sa_handler = [](int) { handled.fetch_add(1); };
  ASSERT_EQ(::sigaction(SIGUSR1, &act, &before), 0);
  constexpr auto timeout = 30ms;
  std::atomic<bool> done{false};
  std::chrono::nanoseconds took{};
  std::size_t count = 1;
  std::thread sleeper([&] {
    event_queue queue;
    std::array<event, 1> events;
    const auto begin = steady::now();
    count = queue.poll(events, timeout);
    took = steady::now() - begin;
    done = true;
  });
  for (int sent = 0; !done; std::this_thread::yield()) {
    if (sent > handled) continue;  // one at a time: more would leave the sleeper no time for anything else
    ++sent;
    ::pthread_kill(sleeper.native_handle(), SIGUSR1);
  }
  sleeper.join();
  EXPECT_EQ(count, 0U);
  EXPECT_GE(took, timeout);
  EXPECT_GT(handled, 0);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST(event_queue, more_are_ready_than_fit) {
  event_queue queue;
  std::array<test::fd_pair, 100> pairs;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = test::unix_pair();
    queue.add(pairs[i].a.get(), i, interest::writable, trigger::edge);
  }
  std::array<event, 100> events;
  std::uint64_t sum = 0, total = 0;
  while (const auto count = queue.poll(events, 0s)) {
    total += count;
    for (const auto& e : std::span(events).first(count)) sum += e.token;
  }
  EXPECT_EQ(total, 100U);
  EXPECT_EQ(sum, 4950U);
}

TEST(event_queue, can_be_waited_for_in_another_queue) {
  event_queue inner;
  event_queue outer;
  outer.add(inner.native_handle(), 1, interest::readable);
  const auto pair = test::unix_pair();
  inner.add(pair.a.get(), 2, interest::readable);
  std::array<event, 1> events;
  EXPECT_EQ(outer.poll(events, 0s), 0U);
  test::put(pair.b.get(), "x");
  EXPECT_EQ(outer.poll(events), 1U);
  EXPECT_TRUE(events[0].readable);
  test::drain(pair.a.get());
  EXPECT_EQ(inner.poll(events, 0s), 0U);
  EXPECT_EQ(outer.poll(events, 0s), 0U);
}

TEST(event_queue, moves) {
  event_queue first;
  const auto pair = test::unix_pair();
  first.add(pair.a.get(), 1, interest::writable);
  event_queue second(std::move(first));
  std::array<event, 1> events;
  EXPECT_EQ(second.poll(events, 0s), 1U);
  first = event_queue();
  EXPECT_EQ(first.poll(events, 0s), 0U);
  second = std::move(first);
  EXPECT_EQ(second.poll(events, 0s), 0U);
}

TEST(event_queue_death_test, says_what_to_do_instead) {
  testing::GTEST_FLAG(death_test_style) = "fast";
  event_queue queue;
  EXPECT_DEATH((void)queue.poll({}, 0s), "give poll\\(\\) room for at least one event");
  const event_queue taken(std::move(queue));
  EXPECT_DEATH(queue.remove(0), "moved from: use the one it was moved to");
}

}  // namespace
}  // namespace sennit

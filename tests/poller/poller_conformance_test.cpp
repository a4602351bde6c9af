// Every backend: what is reported, when, and the errors of registration.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <string>

#include "poller/poller.hpp"
#include "support/descriptors.hpp"

namespace sennit::detail {
namespace {

using test::drain;
using test::fd_pair;
using test::put;

constexpr nanos second = 1'000'000'000;

constexpr trigger all_triggers[] = {trigger::level, trigger::edge, trigger::oneshot};
constexpr std::uint8_t nothing = 0;

/// What one wait() says about `token`.
std::uint8_t look(poller& p, std::uint64_t token, nanos timeout = 0) {
  std::array<poll_event, poller::max_events> events;
  const int count = p.wait(events, timeout);
  EXPECT_GE(count, 0);
  std::uint8_t bits = 0;
  for (const auto& e : std::span(events).first(static_cast<std::size_t>(count))) {
    EXPECT_EQ(e.token, token);
    EXPECT_NE(e.bits, 0);
    bits |= e.bits;
  }
  return bits;
}

/// Waits until `token` was reported with all of `bits`; returns all that was seen. TCP takes its time, even on
/// loopback.
std::uint8_t await(poller& p, std::uint64_t token, std::uint8_t bits) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::uint8_t seen = 0;
  while ((seen & bits) != bits && std::chrono::steady_clock::now() < give_up) seen |= look(p, token, second);
  EXPECT_EQ(seen & bits, bits) << "waited 10 s";
  return seen;
}

constexpr auto readable = poll_event::readable, writable = poll_event::writable, closed = poll_event::closed,
               hangup = poll_event::hangup, failed = poll_event::failed, priority = poll_event::priority;

class every_trigger : public testing::TestWithParam<trigger> {
 protected:
  poller poller_;
};
std::string name_of(const testing::TestParamInfo<trigger>& t) {
  return std::array{"level", "edge", "oneshot"}[static_cast<std::size_t>(t.param)];
}
INSTANTIATE_TEST_SUITE_P(poller, every_trigger, testing::ValuesIn(all_triggers), name_of);

TEST_P(every_trigger, reports_at_once_what_is_ready_at_add) {
  const auto pair = test::unix_pair();
  put(pair.b.get(), "x");
  ASSERT_EQ(poller_.add(pair.a.get(), 7, interest::both, GetParam()), 0);
  EXPECT_EQ(look(poller_, 7), readable | writable);
}

TEST_P(every_trigger, reports_only_the_direction_asked_for) {
  const auto pair = test::unix_pair();
  ASSERT_EQ(poller_.add(pair.a.get(), 7, interest::readable, GetParam()), 0);
  EXPECT_EQ(look(poller_, 7), nothing);
  put(pair.b.get(), "x");
  EXPECT_EQ(look(poller_, 7), readable);

  const auto other = test::unix_pair();
  poller outgoing;
  put(other.b.get(), "x");
  ASSERT_EQ(outgoing.add(other.a.get(), 8, interest::writable, GetParam()), 0);
  EXPECT_EQ(look(outgoing, 8), writable);
}

TEST_P(every_trigger, modify_reports_again_and_takes_the_new_token) {
  const auto pair = test::unix_pair();
  put(pair.b.get(), "x");
  ASSERT_EQ(poller_.add(pair.a.get(), 1, interest::readable, GetParam()), 0);
  EXPECT_EQ(look(poller_, 1), readable);
  ASSERT_EQ(poller_.modify(pair.a.get(), 2, interest::both, GetParam()), 0);
  EXPECT_EQ(look(poller_, 2), readable | writable);
}

TEST_P(every_trigger, remove_ends_the_reports_and_add_begins_them_again) {
  const auto pair = test::unix_pair();
  ASSERT_EQ(poller_.add(pair.a.get(), 1, interest::readable, GetParam()), 0);
  put(pair.b.get(), "x");
  ASSERT_EQ(poller_.remove(pair.a.get()), 0);
  EXPECT_EQ(look(poller_, 1), nothing);
  ASSERT_EQ(poller_.add(pair.a.get(), 2, interest::readable, GetParam()), 0);
  EXPECT_EQ(look(poller_, 2), readable);
}

TEST_P(every_trigger, close_ends_the_registration) {
  auto pair = test::unix_pair();
  const int number = pair.a.get();
  ASSERT_EQ(poller_.add(number, 1, interest::both, GetParam()), 0);
  put(pair.b.get(), "x");
  pair.a = test::unique_fd();
  EXPECT_EQ(look(poller_, 1), nothing);
  EXPECT_EQ(poller_.remove(number), -EBADF);

  const auto next = test::unix_pair();  // under the same number
  ASSERT_EQ(next.a.get(), number);
  EXPECT_EQ(poller_.modify(number, 2, interest::both, GetParam()), -ENOENT);
  ASSERT_EQ(poller_.add(number, 2, interest::both, GetParam()), 0);
  EXPECT_EQ(look(poller_, 2), writable);
}

TEST_P(every_trigger, keeps_all_bits_of_a_token) {
  for (const std::uint64_t token : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63,
                                    std::uint64_t{0x0123456789abcdef}, std::uint64_t{0xffffffff}}) {
    const auto pair = test::unix_pair();
    ASSERT_EQ(poller_.add(pair.a.get(), token, interest::writable, GetParam()), 0);
    EXPECT_EQ(look(poller_, token), writable);
    ASSERT_EQ(poller_.remove(pair.a.get()), 0);
  }
}

TEST_P(every_trigger, refuses_what_cannot_be_registered) {
  EXPECT_EQ(poller_.add(-1, 1, interest::both, GetParam()), -EBADF);
  auto pair = test::unix_pair();
  const int closed_number = pair.b.get();
  pair.b = test::unique_fd();
  EXPECT_EQ(poller_.add(closed_number, 1, interest::both, GetParam()), -EBADF);

  const test::unique_fd file = test::regular_file();
  EXPECT_EQ(poller_.add(file.get(), 1, interest::readable, GetParam()), -EPERM);

  EXPECT_EQ(poller_.modify(pair.a.get(), 1, interest::both, GetParam()), -ENOENT);
  EXPECT_EQ(poller_.remove(pair.a.get()), -ENOENT);
  ASSERT_EQ(poller_.add(pair.a.get(), 1, interest::readable, GetParam()), 0);
  EXPECT_EQ(poller_.add(pair.a.get(), 2, interest::readable, GetParam()), -EEXIST);
  EXPECT_EQ(poller_.add(pair.a.get(), 2, interest::writable, GetParam()), -EEXIST);
  EXPECT_EQ(look(poller_, 1) & readable, readable) << "the first registration stays: its peer has hung up";
}

TEST_P(every_trigger, half_close_is_reported) {
  for (const auto& pair : {test::unix_pair(), test::tcp_pair()}) {
    poller p;
    ASSERT_EQ(p.add(pair.a.get(), 3, interest::readable, GetParam()), 0);
    test::checked(::shutdown(pair.b.get(), SHUT_WR), "shutdown");
    EXPECT_EQ(await(p, 3, closed), closed | readable);
  }
}

TEST_P(every_trigger, reset_is_reported_as_failure) {
  auto pair = test::tcp_pair();
  ASSERT_EQ(poller_.add(pair.a.get(), 3, interest::both, GetParam()), 0);
  const linger now{.l_onoff = 1, .l_linger = 0};
  test::checked(::setsockopt(pair.b.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), "setsockopt");
  // Only what the reset brings: a socket that can be written to is reported before.
  if (GetParam() == trigger::oneshot) {
    EXPECT_EQ(look(poller_, 3), writable);
    pair.b = test::unique_fd();
    ASSERT_EQ(poller_.modify(pair.a.get(), 3, interest::readable, GetParam()), 0);
  }
  pair.b = test::unique_fd();
  EXPECT_EQ(await(poller_, 3, failed | hangup), readable | writable | closed | hangup | failed);
}

TEST(poller, oneshot_reports_once_until_modify) {
  poller p;
  const auto pair = test::unix_pair();
  ASSERT_EQ(p.add(pair.a.get(), 1, interest::both, trigger::oneshot), 0);
  EXPECT_EQ(look(p, 1), writable);
  put(pair.b.get(), "x");
  EXPECT_EQ(look(p, 1), nothing) << "both directions are off after the report of one";
  ASSERT_EQ(p.modify(pair.a.get(), 1, interest::readable, trigger::oneshot), 0);
  EXPECT_EQ(look(p, 1), readable);
  EXPECT_EQ(look(p, 1), nothing);
}

TEST(poller, level_repeats_for_as_long_as_it_holds) {
  poller p;
  const auto pair = test::unix_pair();
  ASSERT_EQ(p.add(pair.a.get(), 1, interest::readable, trigger::level), 0);
  put(pair.b.get(), "xy");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(look(p, 1), readable);
  EXPECT_EQ(drain(pair.a.get()), "xy");
  EXPECT_EQ(look(p, 1), nothing);
}

// Hazard 14: each arrival is an edge, also behind unread data; without one nothing is repeated.
TEST(poller, edge_reports_each_change_once) {
  for (const auto& pair : {test::unix_pair(), test::tcp_pair(), test::pipe_pair()}) {
    poller p;
    ASSERT_EQ(p.add(pair.a.get(), 1, interest::readable, trigger::edge), 0);
    EXPECT_EQ(look(p, 1), nothing);
    for (const char* const text : {"one", "two", "three"}) {  // unread all the while
      put(pair.b.get(), text);
      EXPECT_EQ(await(p, 1, readable), readable);
      EXPECT_EQ(look(p, 1), nothing);
    }
    EXPECT_EQ(drain(pair.a.get()), "onetwothree");
    EXPECT_EQ(look(p, 1), nothing);
    put(pair.b.get(), "four");
    EXPECT_EQ(await(p, 1, readable), readable);
  }
}

// Hazard 14: the one registration of the runtime's descriptors.
TEST(poller, edge_of_both_directions_serves_for_life) {
  const auto pair = test::tcp_pair();
  poller p;
  ASSERT_EQ(p.add(pair.a.get(), 1, interest::both, trigger::edge), 0);
  EXPECT_EQ(look(p, 1), writable);
  EXPECT_EQ(look(p, 1), nothing);
  put(pair.b.get(), "x");
  EXPECT_EQ(await(p, 1, readable) & closed, nothing);
  test::fill(pair.a.get());
  // Empty the peer; its window opens in steps, so until the writer hears of it.
  std::uint8_t seen = 0;
  while ((seen & writable) == 0) {
    drain(pair.b.get());
    seen |= look(p, 1, second / 1000);
  }
  test::checked(::shutdown(pair.b.get(), SHUT_WR), "shutdown");
  EXPECT_EQ(await(p, 1, closed) & hangup, nothing);
  test::checked(::shutdown(pair.a.get(), SHUT_WR), "shutdown");
  EXPECT_NE(await(p, 1, hangup) & closed, nothing);
}

// A FIN behind data must be told together with the data or after it: a reader that stopped at a short read needs it.
TEST(poller, end_of_stream_behind_data_is_reported) {
  const auto pair = test::tcp_pair();
  put(pair.b.get(), "last words");
  test::checked(::shutdown(pair.b.get(), SHUT_WR), "shutdown");
  poller p;
  ASSERT_EQ(p.add(pair.a.get(), 1, interest::both, trigger::edge), 0);
  EXPECT_NE(await(p, 1, readable | closed), nothing);
  EXPECT_EQ(drain(pair.a.get()), "last words");
}

TEST(poller, ends_of_a_pipe_are_reported) {
  for (const trigger how : all_triggers) {
    poller p;
    auto to_reader = test::pipe_pair();
    ASSERT_EQ(p.add(to_reader.a.get(), 1, interest::readable, how), 0);
    to_reader.b = test::unique_fd();
    EXPECT_EQ(look(p, 1) & (closed | readable), closed | readable);
    ASSERT_EQ(p.remove(to_reader.a.get()), 0);

    auto to_writer = test::pipe_pair();
    test::fill(to_writer.b.get());
    ASSERT_EQ(p.add(to_writer.b.get(), 2, interest::writable, how), 0);
    EXPECT_EQ(look(p, 2), nothing);
    to_writer.a = test::unique_fd();
    EXPECT_EQ(look(p, 2) & (failed | writable), failed | writable);
  }
}

TEST(poller, listener_and_refused_connection_are_reported) {
  sockaddr_in address{};
  auto listener = test::tcp_listener(address);
  poller p;
  ASSERT_EQ(p.add(listener.get(), 1, interest::readable, trigger::edge), 0);
  const auto client = test::tcp_connect(address);
  EXPECT_EQ(await(p, 1, readable), readable);

  listener = test::unique_fd();
  poller connecting;
  const auto refused = test::tcp_connect(address);
  ASSERT_EQ(connecting.add(refused.get(), 2, interest::both, trigger::edge), 0);
  EXPECT_NE(await(connecting, 2, failed | writable), nothing);
}

// Urgent data is a sign of its own for edges (a short read then does not mean "drained"); by level it would come for
// ever.
TEST(poller, urgent_data_is_reported_to_edges_only) {
  const auto pair = test::tcp_pair();
  poller edges, levels;
  ASSERT_EQ(edges.add(pair.a.get(), 1, interest::both, trigger::edge), 0);
  ASSERT_EQ(levels.add(pair.a.get(), 2, interest::readable, trigger::level), 0);
  test::checked(::send(pair.b.get(), "!", 1, MSG_OOB), "send");
  EXPECT_EQ(await(edges, 1, priority) & readable, nothing);
  EXPECT_EQ(look(levels, 2), nothing);
  put(pair.b.get(), "data");
  EXPECT_NE(await(edges, 1, readable), nothing);
  EXPECT_EQ(await(levels, 2, readable), readable);
}

/// No descriptor can be opened while it lives.
class no_more_fds {
 public:
  no_more_fds() {
    test::checked(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit");
    const test::unique_fd next(test::checked(::dup(0), "dup"));  // has the number that would come next
    rlimit tight = before_;
    tight.rlim_cur = static_cast<rlim_t>(next.get());
    test::checked(::setrlimit(RLIMIT_NOFILE, &tight), "setrlimit");
  }
  no_more_fds(const no_more_fds&) = delete;
  no_more_fds& operator=(const no_more_fds&) = delete;
  ~no_more_fds() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(poller, says_which_limit_was_met) {
  try {
    const no_more_fds limit;
    const poller refused;
    ADD_FAILURE() << "no limit was met";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::too_many_files_open);
    EXPECT_NE(std::string_view(e.what()).find("RLIMIT_NOFILE"), std::string_view::npos) << e.what();
  }
}

// Hazard 16.
TEST(poller, is_not_passed_on_by_exec) {
  const auto before = test::inheritable_fds();
  const poller p;
  EXPECT_EQ(test::inheritable_fds(), before);
}

}  // namespace
}  // namespace sennit::detail

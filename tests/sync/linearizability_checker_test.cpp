// The checker itself: histories of which one knows what they are, and random ones against a search that is too simple
// to be wrong.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "support/linearizability.hpp"
#include "support/runtimes.hpp"
#include "support/sequential.hpp"

namespace sennit {
namespace {

using test::channel_op;
using test::channel_spec;
using test::event;
using test::rendezvous_spec;
using test::scaled;
using test::semaphore_op;
using test::semaphore_spec;
using channel_events = std::vector<event<channel_op>>;
using semaphore_events = std::vector<event<semaphore_op>>;

template <class Spec, class Op>
bool holds(const Spec& initial, const std::vector<event<Op>>& events) {
  return test::linearizability<Spec, Op>::holds(events, initial);
}

event<channel_op> sent(std::uint64_t from, std::uint64_t to, unsigned char message) {
  return {{channel_op::call::send, channel_op::result::done, message}, from, to, 0};
}
event<channel_op> received(std::uint64_t from, std::uint64_t to, unsigned char message) {
  return {{channel_op::call::receive, channel_op::result::done, message}, from, to, 0};
}
event<channel_op> found_nothing(std::uint64_t from, std::uint64_t to) {
  return {{channel_op::call::try_receive, channel_op::result::nothing}, from, to, 0};
}
event<channel_op> ended(std::uint64_t from, std::uint64_t to, channel_op::call what, channel_op::result how) {
  return {{what, how, 99}, from, to, 0};
}
event<semaphore_op> acquired(std::uint64_t from, std::uint64_t to) {
  return {{semaphore_op::call::acquire, semaphore_op::result::done}, from, to, 0};
}
event<semaphore_op> not_acquired(std::uint64_t from, std::uint64_t to) {
  return {{semaphore_op::call::try_acquire, semaphore_op::result::would_wait}, from, to, 0};
}
event<semaphore_op> released(std::uint64_t from, std::uint64_t to, int n = 1) {
  return {{semaphore_op::call::release, semaphore_op::result::done, n}, from, to, 0};
}

TEST(linearizability_checker, channel_histories_that_are) {
  const channel_spec two(2);
  EXPECT_TRUE(holds(two, channel_events{}));
  EXPECT_TRUE(holds(two, channel_events{sent(0, 1, 1), sent(2, 3, 2), received(4, 5, 1), received(6, 7, 2)}));
  EXPECT_TRUE(holds(two, channel_events{received(0, 9, 1), sent(3, 4, 1)})) << "a receive that waited";
  EXPECT_TRUE(holds(two, channel_events{sent(0, 3, 1), sent(1, 2, 2), received(4, 5, 2), received(6, 7, 1)}))
      << "sends that overlap may come in any order";
  EXPECT_TRUE(holds(two, channel_events{sent(0, 1, 1), received(2, 5, 1), found_nothing(3, 4)}));
  EXPECT_TRUE(holds(two, channel_events{sent(0, 1, 1), sent(2, 3, 2), sent(4, 9, 3), received(5, 6, 1)}))
      << "a send that waited for room";
  // The order that the first window leaves open is settled by the third.
  EXPECT_TRUE(holds(two, channel_events{sent(0, 3, 1), sent(1, 2, 2),
                                        ended(4, 5, channel_op::call::try_send, channel_op::result::would_wait),
                                        received(6, 7, 2), received(8, 9, 1)}));
}

TEST(linearizability_checker, channel_histories_that_are_not) {
  const channel_spec two(2);
  using call = channel_op::call;
  using result = channel_op::result;
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), found_nothing(2, 3)})) << "a stale read";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), found_nothing(2, 5), received(6, 7, 1)})) << "the same";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), ended(2, 3, call::close, result::done),
                                         ended(4, 5, call::receive, result::closed)}))
      << "a lost message";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), received(2, 5, 1), received(3, 4, 1)})) << "a message twice";
  EXPECT_FALSE(holds(two, channel_events{received(0, 1, 1)})) << "a message from nowhere";
  EXPECT_FALSE(holds(two, channel_events{received(0, 1, 1), sent(2, 3, 1)})) << "a message from the future";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), sent(2, 3, 2), received(4, 5, 2), received(6, 7, 1)}))
      << "the wrong order";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 3, 1), sent(1, 2, 2), sent(4, 11, 3), received(5, 6, 3),
                                         received(7, 8, 1), received(9, 10, 2)}))
      << "the message of a sender that waited, before those in the buffer";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), sent(2, 3, 2), sent(4, 5, 3)})) << "over the capacity";
  EXPECT_FALSE(holds(two, channel_events{sent(0, 1, 1), ended(2, 3, call::try_send, result::would_wait)}))
      << "refused though there is room";
  EXPECT_FALSE(holds(two, channel_events{ended(0, 1, call::send_for, result::timed_out)})) << "the same";
  EXPECT_FALSE(holds(two, channel_events{ended(0, 1, call::send, result::closed)})) << "nobody closed it";
  EXPECT_FALSE(holds(two, channel_events{ended(0, 1, call::close, result::done), sent(2, 3, 1)}));
  EXPECT_FALSE(
      holds(two, channel_events{ended(0, 2, call::close, result::done), ended(1, 3, call::close, result::done)}))
      << "closed twice";
}

TEST(linearizability_checker, a_rendezvous_is_one_point_of_both) {
  const rendezvous_spec spec;
  using call = channel_op::call;
  using result = channel_op::result;
  EXPECT_TRUE(holds(spec, channel_events{sent(0, 3, 1), received(1, 2, 1)}));
  EXPECT_TRUE(holds(spec, channel_events{sent(0, 2, 1), received(1, 5, 1), found_nothing(3, 4)}));
  EXPECT_TRUE(holds(spec, channel_events{sent(0, 7, 1), sent(1, 6, 2), received(2, 3, 2), received(4, 5, 1)}));
  EXPECT_FALSE(holds(spec, channel_events{sent(0, 4, 1), ended(1, 2, call::close, result::done), received(3, 5, 1)}))
      << "the receive came after the close";
  EXPECT_FALSE(holds(spec, channel_events{sent(0, 1, 1), received(2, 3, 1)})) << "the send did not wait";
  EXPECT_FALSE(holds(spec, channel_events{sent(0, 3, 1), received(1, 4, 1), received(2, 5, 1)})) << "twice";
  EXPECT_FALSE(holds(spec, channel_events{sent(0, 3, 1)})) << "to nobody";
  EXPECT_FALSE(holds(spec, channel_events{sent(0, 3, 1), received(1, 2, 2)})) << "another message";
  // Each pair overlaps, but each send would have to be in both of two disjoint windows.
  EXPECT_FALSE(holds(spec, channel_events{sent(0, 3, 1), received(1, 6, 2), sent(4, 9, 2), received(7, 8, 1)}));
}

TEST(linearizability_checker, semaphore_histories) {
  EXPECT_TRUE(holds(semaphore_spec(1), semaphore_events{acquired(0, 1), acquired(2, 5), released(3, 4)}));
  EXPECT_TRUE(holds(semaphore_spec(0), semaphore_events{not_acquired(0, 3), released(1, 2), acquired(4, 5)}));
  EXPECT_TRUE(holds(semaphore_spec(0), semaphore_events{released(0, 1, 2), acquired(2, 3), acquired(4, 5)}));
  EXPECT_FALSE(holds(semaphore_spec(1), semaphore_events{acquired(0, 3), acquired(1, 2)})) << "a permit twice";
  EXPECT_FALSE(holds(semaphore_spec(0), semaphore_events{acquired(0, 1), released(2, 3)})) << "from the future";
  EXPECT_FALSE(holds(semaphore_spec(0), semaphore_events{released(0, 1), not_acquired(2, 3)})) << "a lost permit";
  EXPECT_FALSE(holds(semaphore_spec(1), semaphore_events{not_acquired(0, 1)})) << "a stale read";
}

TEST(linearizability_checker, a_window_that_is_too_long_is_an_error) {
  semaphore_events events;
  for (unsigned i = 0; i < 65; ++i) events.push_back(released(2 * i, 2 * i + 3));
  EXPECT_THROW(holds(semaphore_spec(0), events), std::length_error);
  events.pop_back();
  EXPECT_TRUE(holds(semaphore_spec(0), events));
}

/// All orders, one after the other.
template <class Spec, class Op>
bool holds_in_some_order(const Spec& initial, const std::vector<event<Op>>& events) {
  std::vector<std::size_t> order(events.size());
  std::iota(order.begin(), order.end(), 0U);
  do {
    Spec state = initial;
    bool fits = true;
    for (std::size_t i = 0; i < order.size() && fits; ++i) {
      for (std::size_t j = i + 1; j < order.size(); ++j) {
        fits = fits && events[order[j]].responded > events[order[i]].invoked;
      }
      fits = fits && state.apply(events[order[i]].op);
    }
    if (fits) return true;
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

/// `count` operations at random times.
template <class Op, class Make>
std::vector<event<Op>> random_events(detail::random_source& random, unsigned count, Make&& make) {
  std::vector<unsigned> stamps(2 * count);
  std::iota(stamps.begin(), stamps.end(), 0U);
  for (unsigned i = 2 * count; i > 1; --i) std::swap(stamps[i - 1], stamps[random.below(i)]);
  // Mostly short intervals: those that all overlap prove little.
  if (random.below(4) != 0) std::partial_sort(stamps.begin(), stamps.begin() + count, stamps.end());
  std::vector<event<Op>> events;
  for (unsigned i = 0; i < count; ++i) {
    events.push_back(
        {make(), std::min(stamps[2 * i], stamps[2 * i + 1]), std::max(stamps[2 * i], stamps[2 * i + 1]), i});
  }
  return events;
}

TEST(linearizability_checker, agrees_with_the_search_of_all_orders) {
  detail::random_source random(test::seed());
  std::size_t linearizable = 0;
  const std::size_t rounds = scaled(100'000);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto on_channel = random_events<channel_op>(random, 5, [&] {
      const bool sends = random.below(2) == 0;
      const auto message = static_cast<unsigned char>(random.below(2));
      const bool done = random.below(4) != 0;
      if (random.below(10) == 0) return channel_op{channel_op::call::close, channel_op::result::done};
      if (sends) {
        return channel_op{channel_op::call::send_for, done ? channel_op::result::done : channel_op::result::timed_out,
                          message};
      }
      return channel_op{channel_op::call::receive_for, done ? channel_op::result::done : channel_op::result::nothing,
                        message};
    });
    const bool expected = holds_in_some_order(channel_spec(1), on_channel);
    ASSERT_EQ(holds(channel_spec(1), on_channel), expected) << "round " << round;
    linearizable += expected ? 1 : 0;
    const auto on_semaphore = random_events<semaphore_op>(random, 5, [&] {
      if (random.below(2) == 0) return semaphore_op{semaphore_op::call::release, semaphore_op::result::done};
      return semaphore_op{semaphore_op::call::try_acquire,
                          random.below(4) != 0 ? semaphore_op::result::done : semaphore_op::result::would_wait};
    });
    ASSERT_EQ(holds(semaphore_spec(0), on_semaphore), holds_in_some_order(semaphore_spec(0), on_semaphore))
        << "round " << round;
  }
  EXPECT_GT(linearizable, rounds / 100) << "both kinds were there";
  EXPECT_LT(linearizable, rounds / 100 * 99);
}

}  // namespace
}  // namespace sennit

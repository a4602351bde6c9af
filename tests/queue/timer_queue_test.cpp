// Near, in a bucket, far: all of it against std::multimap.
#include "queue/timer_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <unordered_map>
#include <vector>

#include "support/runtimes.hpp"

namespace sennit::detail {
namespace {

class timer_queue_test : public ::testing::Test {
 protected:
  timer_queue_test() { q.lock.lock(); }
  ~timer_queue_test() override { q.lock.unlock(); }

  void arm(timer_node& n, nanos deadline) SENNIT_NO_ANALYSIS {
    n.deadline = deadline;
    q.insert(n, now);
  }
  bool cancel(timer_node& n) SENNIT_NO_ANALYSIS { return q.remove(n); }
  timer_node* due(nanos at) SENNIT_NO_ANALYSIS { return q.pop_due(at); }

  timer_queue q;
  nanos now = 0;
};

TEST_F(timer_queue_test, expires_in_order_and_not_before) {
  timer_node a, b, c;
  EXPECT_EQ(q.next_deadline(), never);
  EXPECT_EQ(due(never), nullptr);
  arm(b, 20);
  arm(a, 10);
  arm(c, 30);
  EXPECT_EQ(q.next_deadline(), 10);
  EXPECT_EQ(due(9), nullptr);
  EXPECT_EQ(due(10), &a);
  EXPECT_EQ(q.next_deadline(), 20);
  EXPECT_EQ(due(19), nullptr);
  EXPECT_EQ(due(100), &b);
  EXPECT_EQ(due(100), &c);
  EXPECT_EQ(due(100), nullptr);
  EXPECT_EQ(q.next_deadline(), never);
}

TEST_F(timer_queue_test, cancels_once_and_not_what_has_expired) {
  timer_node a, b;
  arm(a, 1);
  arm(b, 2);
  EXPECT_TRUE(cancel(a));
  EXPECT_FALSE(cancel(a));
  EXPECT_EQ(q.next_deadline(), 2);
  EXPECT_EQ(due(5), &b);
  EXPECT_FALSE(cancel(b)) << "it has expired";
  arm(b, 7);
  EXPECT_EQ(q.next_deadline(), 7);
  EXPECT_TRUE(cancel(b));
  EXPECT_EQ(q.next_deadline(), never);
}

// Of what is armed for the same few milliseconds, in a bucket, behind an earlier one and beyond the second that the
// buckets cover: each leaves from the place where it is.
TEST_F(timer_queue_test, cancels_from_every_place) {
  constexpr nanos second = 1'000'000'000;
  now = 17 * second;
  std::array<timer_node, 4> n;
  for (std::size_t canceled = 0; canceled < n.size(); ++canceled) {
    arm(n[0], now + 1);
    arm(n[1], now + second / 2);
    arm(n[2], now + second / 2 + 1);
    arm(n[3], now + 60 * second);
    EXPECT_EQ(n[0].place, timer_place::near);
    EXPECT_EQ(n[1].place, timer_place::bucket);
    EXPECT_EQ(n[2].place, timer_place::bucket);
    EXPECT_EQ(n[3].place, timer_place::far);
    EXPECT_TRUE(cancel(n[canceled]));
    EXPECT_EQ(q.size(), 3u);
    now += 61 * second;
    for (std::size_t i = 0; i < n.size(); ++i) {
      if (i == canceled) continue;
      EXPECT_EQ(due(now), &n[i]);
    }
    EXPECT_EQ(due(now), nullptr);
  }
}

// One timer far ahead, then a rest, then short sleeps: they lie in buckets again, not in the far heap.
TEST_F(timer_queue_test, buckets_follow_the_clock) {
  constexpr nanos second = 1'000'000'000;
  timer_node far, a, b;
  arm(far, 600 * second);
  now = 300 * second;
  arm(a, now + second / 10);
  arm(b, now + second / 5);
  EXPECT_EQ(b.place, timer_place::bucket);
  EXPECT_EQ(due(now + second), &a);
  EXPECT_EQ(due(now + second), &b);
  EXPECT_EQ(q.next_deadline(), 600 * second);
}

TEST_F(timer_queue_test, any_deadline_will_do) {
  timer_node past, end;
  arm(past, std::numeric_limits<nanos>::min());
  arm(end, never - 1);
  EXPECT_EQ(due(0), &past);
  EXPECT_EQ(due(0), nullptr);
  EXPECT_EQ(due(never), &end);
}

// A root with many children, all siblings of each other: taking it away must not recurse.
TEST_F(timer_queue_test, a_million_sleepers_in_one_sibling_list) {
  std::vector<timer_node> nodes(1'000'000);
  for (std::size_t i = 0; i < nodes.size(); ++i) arm(nodes[i], static_cast<nanos>(i));
  nanos last = -1;
  std::size_t count = 0;
  while (timer_node* n = due(never)) {
    ASSERT_GT(n->deadline, last);
    last = n->deadline;
    ++count;
  }
  EXPECT_EQ(count, nodes.size());
}

TEST_F(timer_queue_test, agrees_with_a_multimap) {
  std::mt19937_64 random(test::seed());
  const std::size_t steps = test::scaled(10'000'000);
  std::vector<timer_node> nodes(20'000);
  std::multimap<nanos, timer_node*> model;
  std::unordered_map<timer_node*, std::multimap<nanos, timer_node*>::iterator> armed;
  // From within a bucket to hours away; time goes on by steps of all these sizes too.
  const auto span = [&] { return static_cast<nanos>(random() % (std::uint64_t{1} << (random() % 44))); };
  std::array<std::size_t, 4> armed_in{};
  for (std::size_t step = 0; step < steps; ++step) {
    timer_node& n = nodes[random() % nodes.size()];
    const auto at = armed.find(&n);
    if (at == armed.end()) {
      const nanos deadline = now + span();
      arm(n, deadline);
      ++armed_in[static_cast<std::size_t>(n.place)];
      armed.emplace(&n, model.emplace(deadline, &n));
    } else if (random() % 2 == 0) {
      ASSERT_TRUE(cancel(n));
      model.erase(at->second);
      armed.erase(at);
    }
    if (random() % 64 == 0) {
      now += span() / 1024;
      while (timer_node* d = due(now)) {
        const auto it = armed.find(d);
        ASSERT_NE(it, armed.end());
        ASSERT_EQ(d->deadline, model.begin()->first) << "the earliest first";
        ASSERT_LE(d->deadline, now);
        model.erase(it->second);
        armed.erase(it);
      }
      ASSERT_TRUE(model.empty() || model.begin()->first > now) << "nothing due is left";
    }
    ASSERT_EQ(q.next_deadline(), model.empty() ? never : model.begin()->first);
  }
  for (const auto place : {timer_place::near, timer_place::bucket, timer_place::far}) {
    EXPECT_GT(armed_in[static_cast<std::size_t>(place)], steps / 1000);
  }
  for (auto& n : nodes) {
    ASSERT_EQ(cancel(n), armed.contains(&n));
  }
  EXPECT_EQ(q.next_deadline(), never);
}

}  // namespace
}  // namespace sennit::detail

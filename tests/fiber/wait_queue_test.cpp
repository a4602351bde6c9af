#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <random>
#include <vector>

#include <sennit/detail/wait_queue.hpp>

#include "fiber/waiter.hpp"
#include "support/runtimes.hpp"

namespace sennit::detail {
namespace {

TEST(wait_queue_test, is_first_in_first_out) {
  wait_queue q;
  const spin_guard guard(q.lock);
  std::array<waiter, 3> who;
  wait_node a(who[0], 0), b(who[1], 1), c(who[2], 2);
  for (wait_node* n : {&a, &b, &c}) {
    q.push_back(*n);
    ASSERT_TRUE(n->who->state.publish(false));
  }
  EXPECT_EQ(q.front(), &a);
  EXPECT_EQ(q.claim_front(), &a);
  EXPECT_EQ(q.claim_front(), &b);
  EXPECT_EQ(q.claim_front(), &c);
  EXPECT_EQ(q.claim_front(), nullptr);
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(who[2].state.case_won(), 2);
}

TEST(wait_queue_test, who_was_passed_over_goes_to_the_front) {
  wait_queue q;
  const spin_guard guard(q.lock);
  std::array<waiter, 2> who;
  wait_node a(who[0], 0), b(who[1], 0);
  q.push_back(a);
  q.push_front(b);
  EXPECT_EQ(q.front(), &b);
  EXPECT_TRUE(q.remove(b));
  EXPECT_EQ(q.front(), &a);
  EXPECT_TRUE(q.remove(a));
}

TEST(wait_queue_test, removing_twice_says_so) {
  wait_queue q;
  const spin_guard guard(q.lock);
  waiter who;
  wait_node a(who, 0);
  EXPECT_FALSE(q.remove(a)) << "never linked";
  q.push_back(a);
  EXPECT_TRUE(q.remove(a));
  EXPECT_FALSE(q.remove(a));
}

TEST(wait_queue_test, losers_are_dropped) {
  wait_queue q;
  const spin_guard guard(q.lock);
  std::array<waiter, 3> who;
  wait_node a(who[0], 0), b(who[1], 0), c(who[2], 0);
  for (wait_node* n : {&a, &b, &c}) {
    q.push_back(*n);
    ASSERT_TRUE(n->who->state.publish(false));
  }
  ASSERT_TRUE(who[0].state.claim(a.epoch, case_timeout));
  ASSERT_TRUE(who[1].state.claim(b.epoch, case_timeout));
  EXPECT_EQ(q.claim_front(), &c);
  EXPECT_FALSE(q.remove(a)) << "a loser is unlinked already";
  EXPECT_EQ(who[0].state.case_won(), case_timeout);
}

TEST(wait_queue_test, one_waiter_in_two_queues_is_woken_once) {
  wait_queue q;
  const spin_guard guard(q.lock);
  wait_queue other;
  const spin_guard other_guard(other.lock);
  waiter who;
  wait_node here(who, 0), there(who, 1);
  q.push_back(here);
  other.push_back(there);
  ASSERT_TRUE(who.state.publish(false));
  EXPECT_EQ(other.claim_front(), &there);
  EXPECT_EQ(q.claim_front(), nullptr);
  EXPECT_EQ(who.state.case_won(), 1);
}

// Against std::list.
TEST(wait_queue_test, agrees_with_a_list_under_random_operations) {
  wait_queue q;
  const spin_guard guard(q.lock);
  std::mt19937_64 random(test::seed());
  std::vector<std::unique_ptr<waiter>> waiters;
  std::vector<std::unique_ptr<wait_node>> nodes;
  std::list<wait_node*> model;
  for (int step = 0; step < 20000; ++step) {
    const auto what = random() % 4;
    if (what < 2) {
      waiters.push_back(std::make_unique<waiter>());
      nodes.push_back(std::make_unique<wait_node>(*waiters.back(), std::uint16_t{0}));
      wait_node& n = *nodes.back();
      what == 0 ? q.push_back(n) : q.push_front(n);
      what == 0 ? model.push_back(&n) : model.push_front(&n);
      ASSERT_TRUE(n.who->state.publish(false));
    } else if (what == 2 && !nodes.empty()) {
      wait_node& n = *nodes[random() % nodes.size()];
      const auto at = std::find(model.begin(), model.end(), &n);
      ASSERT_EQ(q.remove(n), at != model.end());
      if (at != model.end()) model.erase(at);
    } else {
      wait_node* expected = model.empty() ? nullptr : model.front();
      if (expected != nullptr) model.pop_front();
      ASSERT_EQ(q.claim_front(), expected);
    }
    ASSERT_EQ(q.empty(), model.empty());
    ASSERT_EQ(q.front(), model.empty() ? nullptr : model.front());
  }
  for (wait_node* left : model) EXPECT_TRUE(q.remove(*left));
}

// The report of who is still there is tested with channels; those that cannot be woken any more do not count.
TEST(wait_queue_test, a_wait_that_was_given_up_may_stay_behind) {
  waiter who;
  wait_node node(who, 0);
  ASSERT_TRUE(who.state.publish(false));
  wait_queue q;
  q.lock.lock();
  q.push_back(node);
  q.lock.unlock();
  EXPECT_TRUE(who.state.claim(node.epoch, case_stop));
}

}  // namespace
}  // namespace sennit::detail

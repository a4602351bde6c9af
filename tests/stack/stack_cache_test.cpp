#include "stack/stack_cache.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "stack/stack_error.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::detail {
namespace {

TEST(stack_cache, hands_out_the_stack_that_was_put_last) {
  stack_pool pool;
  stack_cache cache(pool);
  std::error_code why;
  const stack a = cache.take(stack_class::normal, why);
  const stack b = cache.take(stack_class::normal, why);
  ASSERT_TRUE(a && b);
  EXPECT_NE(a.slot, b.slot);
  cache.put(b);
  cache.put(a);
  EXPECT_EQ(cache.take(stack_class::normal, why).slot, a.slot);
  EXPECT_EQ(cache.take(stack_class::normal, why).slot, b.slot);
  EXPECT_FALSE(why);
}

TEST(stack_cache, keeps_a_bounded_number_of_each_class_and_the_warmest_ones) {
  for (std::size_t i = 0; i < stack_classes; ++i) {
    const auto cls = static_cast<stack_class>(i);
    stack_pool pool;
    {
      stack_cache cache(pool);
      std::error_code why;
      std::vector<stack> taken;
      for (std::uint32_t n = 0; n < 3 * stack_cache_capacity[i]; ++n) taken.push_back(cache.take(cls, why));
      ASSERT_FALSE(why);
      EXPECT_EQ(pool.stats().in_use, taken.size()) << "all that came in batches was taken";
      std::set<std::byte*> distinct;
      for (const stack s : taken) distinct.insert(s.slot);
      EXPECT_EQ(distinct.size(), taken.size());

      for (const stack s : taken) {
        cache.put(s);
        ASSERT_EQ(cache.take(cls, why).slot, s.slot);
        cache.put(s);
      }
      EXPECT_LE(pool.stats().in_use, stack_cache_capacity[i]);
      EXPECT_GE(pool.stats().in_use, stack_cache_capacity[i] / 2);
      // Down through the cache and on through what it had spilled, always the latest first.
      for (auto s = taken.rbegin(); s != taken.rend(); ++s) EXPECT_EQ(cache.take(cls, why).slot, s->slot);
      for (const stack s : taken) cache.put(s);
    }
    EXPECT_EQ(pool.stats().in_use, 0u) << "the destructor gives all back";
  }
}

TEST(stack_cache, reports_why_there_is_none_and_recovers) {
  stack_pool pool(stack_pool_options{.max_stacks = 2});
  stack_cache mine(pool), other(pool);
  std::error_code why;
  const stack a = mine.take(stack_class::small, why);
  ASSERT_TRUE(a && !why);
  EXPECT_FALSE(other.take(stack_class::small, why)) << "the second one lies in the other cache";
  EXPECT_EQ(why, stack_errc::pool_limit);
  mine.flush();
  why.clear();
  const stack b = other.take(stack_class::small, why);
  EXPECT_TRUE(b && !why);
  EXPECT_NE(a.slot, b.slot);
  mine.put(a);
  other.put(b);
}

}  // namespace
}  // namespace sennit::detail

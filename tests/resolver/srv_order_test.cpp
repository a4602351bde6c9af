#include "resolver/srv_order.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace sennit::test {
namespace {

using records = std::vector<service_record>;

records ordered(records r, auto&& below) {
  detail::put_in_srv_order(r, below);
  return r;
}

TEST(srv_order, by_priority_then_by_what_was_drawn) {
  const records given{{"c", 1, 20, 9}, {"a", 1, 10, 1}, {"b", 1, 10, 2}, {"z", 1, 10, 0}};
  const auto least = ordered(given, [](std::uint64_t) { return std::uint64_t{0}; });
  EXPECT_EQ(least, (records{{"z", 1, 10, 0}, {"a", 1, 10, 1}, {"b", 1, 10, 2}, {"c", 1, 20, 9}}));
  const auto most = ordered(given, [](std::uint64_t n) { return n; });
  EXPECT_EQ(most, (records{{"b", 1, 10, 2}, {"a", 1, 10, 1}, {"z", 1, 10, 0}, {"c", 1, 20, 9}}));
  EXPECT_TRUE(ordered({}, [](std::uint64_t n) { return n; }).empty());
}

TEST(srv_order, the_first_place_goes_by_weight) {
  std::mt19937_64 random(1);
  std::map<std::string, int> first;
  constexpr int rounds = 20'000;
  for (int i = 0; i < rounds; ++i) {
    const auto r = ordered({{"one", 1, 0, 10}, {"three", 1, 0, 30}, {"six", 1, 0, 60}, {"none", 1, 0, 0}},
                           [&](std::uint64_t n) { return random() % (n + 1); });
    ++first[r.front().target];
  }
  // 10 of 101 draws and so on; five standard deviations are below 400.
  EXPECT_NEAR(first["one"], rounds * 10 / 101, 400);
  EXPECT_NEAR(first["three"], rounds * 30 / 101, 400);
  EXPECT_NEAR(first["six"], rounds * 60 / 101, 400);
  EXPECT_NEAR(first["none"], rounds / 101, 100);
}

}  // namespace
}  // namespace sennit::test

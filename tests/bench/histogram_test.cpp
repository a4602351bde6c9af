#include "load/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace {

using bench::histogram;

TEST(histogram, empty_answers_zero) {
  const histogram h;
  EXPECT_EQ(h.total(), 0U);
  EXPECT_EQ(h.max(), 0U);
  EXPECT_EQ(h.percentile(50), 0U);
  EXPECT_EQ(h.percentile(100), 0U);
}

TEST(histogram, small_values_are_exact) {
  histogram h;
  for (std::uint64_t v = 1; v <= 100; ++v) h.record(v);
  EXPECT_EQ(h.total(), 100U);
  EXPECT_EQ(h.percentile(0), 1U);
  EXPECT_EQ(h.percentile(50), 50U);
  EXPECT_EQ(h.percentile(99), 99U);
  EXPECT_EQ(h.percentile(99.1), 100U);
  EXPECT_EQ(h.percentile(100), 100U);
}

TEST(histogram, every_bucket_keeps_the_promised_error) {
  for (std::uint64_t v = 1; v < histogram::largest; v += v / 50 + 1) {
    histogram h;
    h.record(v);
    h.record(histogram::largest);  // so that max() does not cap what is looked at
    const auto seen = h.percentile(50);
    ASSERT_GE(seen, v);
    ASSERT_LE(seen - v, v / 64) << v;
  }
}

TEST(histogram, percentiles_agree_with_the_sorted_list) {
  constexpr unsigned seed = 7;
  std::mt19937_64 random(seed);
  auto h = std::make_unique<histogram>();
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 100'000; ++i) {
    all.push_back(random() >> (24 + random() % 40));
    h->record(all.back());
  }
  std::ranges::sort(all);
  for (const double percent : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9}) {
    const auto exact = all[static_cast<std::size_t>(percent / 100 * 100'000 + 0.5) - 1];
    EXPECT_GE(h->percentile(percent), exact) << percent << " seed " << seed;
    EXPECT_LE(h->percentile(percent), exact + exact / 64) << percent << " seed " << seed;
  }
  EXPECT_EQ(h->max(), all.back());
  EXPECT_EQ(h->percentile(100), all.back());
}

TEST(histogram, values_beyond_the_range_keep_max_exact) {
  histogram h;
  h.record(histogram::largest + 12345);
  EXPECT_EQ(h.max(), histogram::largest + 12345);
  EXPECT_GE(h.percentile(50), histogram::largest - histogram::largest / 64);
  h.clear();
  EXPECT_EQ(h.total(), 0U);
  EXPECT_EQ(h.max(), 0U);
}

}  // namespace

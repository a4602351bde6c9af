#pragma once
// How long things take: one slice in 256, and the wait after it.
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>

#include <sennit/metrics.hpp>

#include "base/atomic.hpp"
#include "base/time.hpp"
#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

/// Any thread.
class duration_counts {
 public:
  void record(nanos span) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<nanos>(span, 1));
    const auto bucket = static_cast<std::size_t>(std::max<int>(static_cast<int>(std::bit_width(ns - 1)), 7) - 7);
    counts_[std::min(bucket, duration_histogram::buckets - 1)].fetch_add(1, relaxed);  // mm:durations
    sum_.fetch_add(ns, relaxed);                                                       // mm:durations
  }
  void add_to(duration_histogram& all) const noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) all.counts[i] += counts_[i].load(relaxed);  // mm:durations
    all.sum += std::chrono::nanoseconds(sum_.load(relaxed));                                     // mm:durations
  }

 private:
  std::array<atomic<std::uint64_t>, duration_histogram::buckets> counts_{};
  atomic<std::uint64_t> sum_{0};
};

/// Of one worker.
struct durations {
  duration_counts latency;
  duration_counts slice;
  std::array<duration_counts, wait_kinds> waits;
};

/// On average.
inline constexpr std::uint32_t slices_per_sample = 256;

}  // namespace sennit::inline v0::detail

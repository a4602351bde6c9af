#pragma once
// Latency histogram: exact below 128, then 64 buckets per power of two, so a value is off by at most 1/64 (1.6 %).
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace bench {

/// Owned and used by one thread. Values are unitless here; the load generator records nanoseconds.
class histogram {
 public:
  static constexpr std::uint64_t largest = (std::uint64_t{1} << 40) - 1;  // 18 minutes in nanoseconds

  /// Counts `value`; what is larger than `largest` counts as `largest` in percentiles, max() stays exact.
  void record(std::uint64_t value) noexcept {
    ++counts_[index(std::min(value, largest))];
    ++total_;
    max_ = std::max(max_, value);
  }

  /// Smallest recorded value v (rounded up to its bucket's upper end, never above max()) such that at least `percent`
  /// of all values are <= v. 0 when nothing was recorded.
  [[nodiscard]] std::uint64_t percentile(double percent) const noexcept {
    const double wanted = std::ceil(static_cast<double>(total_) * percent / 100.0);
    const auto rank =
        std::clamp(static_cast<std::uint64_t>(wanted), std::uint64_t{1}, std::max(total_, std::uint64_t{1}));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(upper_end(i), max_);
    }
    return max_;
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  void clear() noexcept { *this = histogram{}; }

 private:
  static constexpr int half_bits = 6;
  static constexpr std::size_t half = std::size_t{1} << half_bits;

  // Values below 2*half have a bucket each. Above, `shift` drops low bits until the rest lies in [half, 2*half).
  static std::size_t index(std::uint64_t value) noexcept {
    const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (half_bits + 1));
    return static_cast<std::size_t>(shift) * half + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t upper_end(std::size_t i) noexcept {
    if (i < 2 * half) return i;
    const std::size_t shift = i / half - 1;
    return ((static_cast<std::uint64_t>(i - shift * half) + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (40 - half_bits) * half + half> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace bench

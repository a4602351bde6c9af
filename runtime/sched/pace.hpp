#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace sennit::inline v0::detail {

/// How fast a worker gets through its queue: whether those at its end had better be helped by another worker. Its
/// thread alone.
class pace {
 public:
  /// From a write to a sleeping worker's eventfd until that one runs something (`eventfd_wake` in docs/benchmarks.md).
  static constexpr nanos wake_takes = 20'000;

  /// At `now`, awake since the last call, the worker has made so many switches in all.
  void note(std::uint64_t switches, nanos now) noexcept {
    if (const auto ran = static_cast<nanos>(switches - switches_); ran > 0) {
      // Bounded: one fiber that computed for long does not stay in the mean for long.
      slice_ = (std::min((now - since_) / ran, 4 * wake_takes) + 3 * slice_) / 4;
    }
    switches_ = switches;
    since_ = now;
  }

  /// The last of so many that wait would wait longer than it takes to wake somebody for them.
  [[nodiscard]] bool keeps_waiting(std::size_t waiting) const noexcept {
    return static_cast<nanos>(waiting) * slice_ >= wake_takes;
  }

 private:
  nanos slice_ = wake_takes;  // of a fiber, in the mean
  nanos since_ = 0;
  std::uint64_t switches_ = 0;
};

}  // namespace sennit::inline v0::detail

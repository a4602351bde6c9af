#pragma once
#include "base/atomic.hpp"

namespace sennit::inline v0::detail {

/// Written by one thread, read by anyone: no read-modify-write needed.
class counter {
 public:
  std::uint64_t add(std::uint64_t n = 1) noexcept {
    const std::uint64_t sum = value_.load(relaxed) + n;  // mm:counter
    value_.store(sum, relaxed);                          // mm:counter
    return sum;
  }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(relaxed); }  // mm:counter

 private:
  atomic<std::uint64_t> value_{0};
};

}  // namespace sennit::inline v0::detail

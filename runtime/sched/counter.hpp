#pragma once
#include "base/atomic.hpp"

namespace sennit::inline v0::detail {

/// Written by one thread, read by anyone: no read-modify-write needed.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.store(value_.load(relaxed) + n, relaxed); }  // mm:counter
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(relaxed); }            // mm:counter

 private:
  atomic<std::uint64_t> value_{0};
};

}  // namespace sennit::inline v0::detail

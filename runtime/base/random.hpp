#pragma once
#include <cstdint>

#include "base/sanitizer.hpp"

namespace sennit::inline v0::detail {

/// xorshift64* (Marsaglia; Vigna 2016). Owned by one worker, which draws from it in the fibers that it runs too (TSan
/// knows no edge between them); not for secrets.
class random_source {
 public:
  explicit constexpr random_source(std::uint64_t seed) noexcept : state_(seed | 1) {}

  SENNIT_NO_TSAN constexpr std::uint32_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>((state_ * 0x2545f4914f6cdd1dULL) >> 32);
  }
  /// Uniform enough in [0, bound), bound > 0.
  constexpr std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace sennit::inline v0::detail

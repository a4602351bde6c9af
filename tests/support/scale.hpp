#pragma once
// How large a stress test is here: hazards.md gives the full counts, which `./dev soak` runs; lanes run a fraction.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "base/sanitizer.hpp"

namespace sennit::test {

/// The whole count with SENNIT_SOAK=1 in the environment; else a part of it, at least 1: what the lane says, in
/// SENNIT_SCALE which ctest sets, or run by hand what suits how slow each step is.
inline std::size_t scaled(std::size_t full) {
#if SENNIT_TSAN || defined(__aarch64__)
  std::size_t divisor = 100;
#elif SENNIT_ASAN
  std::size_t divisor = 20;
#else
  std::size_t divisor = 10;
#endif
  const char* const soak = std::getenv("SENNIT_SOAK");
  const char* const lane = std::getenv("SENNIT_SCALE");
  if (soak != nullptr && std::string_view(soak) == "1") {
    divisor = 1;
  } else if (lane != nullptr) {
    divisor = std::max<std::size_t>(std::strtoull(lane, nullptr, 10), 1);
  }
  return std::max<std::size_t>(full / divisor, 1);
}

}  // namespace sennit::test

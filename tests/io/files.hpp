#pragma once
// What the tests of files write, and how they make a file.
#include <cstddef>
#include <vector>

#include <sennit/file.hpp>

namespace sennit::test {

using bytes = std::vector<std::byte>;

inline bytes pattern(std::size_t n) {
  bytes out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  return out;
}

inline constexpr open_mode create_new = open_mode::read_write | open_mode::create | open_mode::exclusive;

}  // namespace sennit::test

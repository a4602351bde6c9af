#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace sennit::test {

/// An endless text that is one connection's own: a byte of another's is noticed. A value.
class tagged_bytes {
 public:
  explicit tagged_bytes(std::uint64_t tag) noexcept : tag_(tag) {}
  [[nodiscard]] std::uint64_t tag() const noexcept { return tag_; }
  [[nodiscard]] std::size_t count() const noexcept { return at_; }

  /// The next bytes of it.
  void fill(std::span<std::byte> into) noexcept {
    for (std::byte& b : into) b = next();
  }
  /// Whether these are the next bytes of it.
  [[nodiscard]] bool matches(std::span<const std::byte> got) noexcept {
    for (const std::byte b : got) {
      if (b != next()) return false;
    }
    return true;
  }

 private:
  std::byte next() noexcept { return static_cast<std::byte>(tag_ >> 8 * (at_++ % 8)); }
  std::uint64_t tag_;
  std::size_t at_ = 0;
};

}  // namespace sennit::test

#pragma once
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace bench {

/// Every message is a piece of one random ring; where it starts depends on connection and sequence number, so an echo
/// that belongs to another connection or to an earlier message does not compare equal.
class pattern {
 public:
  explicit pattern(std::size_t message) : bytes_(ring + message), message_(message) {
    std::mt19937 random(20240229);
    for (auto& byte : bytes_) byte = static_cast<std::byte>(random());
  }
  [[nodiscard]] std::span<const std::byte> message(std::uint32_t connection, std::uint64_t sequence) const {
    return std::span(bytes_).subspan((connection * 40503U + sequence * 97U) % ring, message_);
  }

 private:
  static constexpr std::size_t ring = 65536;
  std::vector<std::byte> bytes_;
  std::size_t message_;
};

}  // namespace bench

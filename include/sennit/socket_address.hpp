#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <sennit/endpoint.hpp>

namespace sennit::inline v0 {

namespace detail {
struct address_access;
}

/// Where a datagram goes or comes from, as the kernel has it: what an endpoint becomes once, so that no message has to
/// be parsed or printed for. Empty, or IPv4, IPv6 or Unix. A value: any thread.
class socket_address {
 public:
  socket_address() noexcept = default;
  /// Of a numeric or unix endpoint; throws std::system_error: address_family_not_supported for a name, no_such_device
  /// for a zone that is not here, destination_address_required for an empty endpoint.
  SENNIT_API explicit socket_address(const endpoint& from);
  [[nodiscard]] SENNIT_API static socket_address of(const endpoint& from, std::error_code& ec);

  /// An unnamed unix socket becomes an empty path.
  [[nodiscard]] SENNIT_API endpoint to_endpoint() const;
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  friend bool operator==(const socket_address& a, const socket_address& b) noexcept {
    return std::equal(a.bytes_.begin(), a.bytes_.begin() + a.size_, b.bytes_.begin(), b.bytes_.begin() + b.size_);
  }

 private:
  friend struct detail::address_access;
  alignas(8) std::array<std::byte, 128> bytes_{};
  std::uint32_t size_ = 0;
};

}  // namespace sennit::inline v0

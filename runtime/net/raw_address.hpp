#pragma once
#include <sys/socket.h>

#include <sennit/socket_address.hpp>

namespace sennit::inline v0::detail {

/// The bytes of a socket_address, for system calls. Stateless.
struct address_access {
  static constexpr socklen_t capacity = sizeof(sockaddr_storage);
  static_assert(capacity == sizeof(socket_address::bytes_));

  [[nodiscard]] static sockaddr* raw(socket_address& a) noexcept {
    return reinterpret_cast<sockaddr*>(a.bytes_.data());
  }
  [[nodiscard]] static const sockaddr* raw(const socket_address& a) noexcept {
    return reinterpret_cast<const sockaddr*>(a.bytes_.data());
  }
  [[nodiscard]] static socklen_t size(const socket_address& a) noexcept { return a.size_; }
  /// After the kernel has filled it in; what is not an address of a sender at all is empty.
  static void set_size(socket_address& a, socklen_t size) noexcept { a.size_ = size <= capacity ? size : capacity; }
};

}  // namespace sennit::inline v0::detail

#pragma once
// Between sennit::endpoint and the kernel's addresses.
#include <sys/socket.h>

#include <string>
#include <system_error>
#include <vector>

#include <sennit/endpoint.hpp>

namespace sennit::inline v0 {

/// The one friend of endpoint: makes it from parts, and from and to socket addresses. Stateless; any thread.
class endpoint_access {
 public:
  /// Takes the parts as they are.
  [[nodiscard]] static endpoint make(endpoint::family kind, std::string host, std::uint16_t port);

  /// The socket address of a numeric or unix endpoint. no_such_device: the zone names no interface here.
  /// destination_address_required: an empty endpoint, or an unnamed unix socket. address_family_not_supported: a name,
  /// which resolve_blocking() turns into addresses. filename_too_long:
  /// a path or abstract name that no parser has bounded.
  [[nodiscard]] static std::error_code to_sockaddr(const endpoint& from, sockaddr_storage& into, socklen_t& size);

  /// What accept(2) or getsockname(2) filled in. An unnamed unix socket becomes an empty path; families that are not
  /// known here an empty endpoint.
  [[nodiscard]] static endpoint from_sockaddr(const sockaddr* from, socklen_t size);
};

namespace detail {

/// Codes of getaddrinfo(3): EAI_*. Any thread.
[[nodiscard]] const std::error_category& getaddrinfo_category() noexcept;

/// The addresses to try for an IP endpoint, in the order of getaddrinfo(3); for a numeric one the one that it is. A
/// name blocks the calling thread for as long as the system's resolver likes: not for workers. `into` is replaced, and
/// empty on error.
[[nodiscard]] std::error_code resolve_blocking(const endpoint& from, std::vector<sockaddr_storage>& into);

/// How many bytes of `address` the kernel wants: for what resolve_blocking() gives.
[[nodiscard]] socklen_t sockaddr_size(const sockaddr_storage& address) noexcept;

}  // namespace detail
}  // namespace sennit::inline v0

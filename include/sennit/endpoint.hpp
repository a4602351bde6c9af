#pragma once
#include <compare>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// Where to connect or to listen: "1.2.3.4:80", "[::1]:80", "host:port" (resolved when used) or "unix:/path". A value:
/// any thread.
class endpoint {
 public:
  enum class family : std::uint8_t { none, ipv4, ipv6, name, unix_path };

  endpoint() noexcept = default;
  /// Parses; throws std::system_error(error::bad_endpoint) with the text and what is wrong with it.
  SENNIT_API endpoint(std::string_view text);  // NOLINT(google-explicit-constructor): "host:port" is an endpoint
  endpoint(const char* text) : endpoint(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)
  endpoint(const std::string& text) : endpoint(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  /// Numeric address or name, and port.
  SENNIT_API endpoint(std::string_view host, std::uint16_t port);
  /// Parses; an empty endpoint and `ec` set on error.
  [[nodiscard]] SENNIT_API static endpoint parse(std::string_view text, std::error_code& ec);

  [[nodiscard]] family kind() const noexcept { return family_; }
  /// Address, name or path, without brackets or port.
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// As parsed; IPv6 in brackets.
  [[nodiscard]] SENNIT_API std::string to_string() const;

  friend bool operator==(const endpoint&, const endpoint&) = default;

 private:
  friend class endpoint_access;
  std::string host_;
  std::uint16_t port_ = 0;
  family family_ = family::none;
};

SENNIT_API std::ostream& operator<<(std::ostream& out, const endpoint& e);

}  // namespace sennit::inline v0

#pragma once
// What can be asked for at all, found out before anybody is asked. Pure functions; any thread.
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <sennit/endpoint.hpp>

namespace sennit::inline v0::detail {

/// bad_name or name_too_long if `name` cannot stand in a question: labels of 1 to 63 visible ASCII characters, 253 in
/// all; underscores are fine, and a dot at the end.
[[nodiscard]] std::error_code check_domain_name(std::string_view name) noexcept;

/// In lower case, without a dot at the end: as names are compared.
[[nodiscard]] std::string comparable(std::string_view name);

/// "localhost" and what ends in ".localhost" (RFC 6761).
[[nodiscard]] bool is_localhost(std::string_view comparable_name) noexcept;

/// The endpoint of a numeric address; none if `name` is to be asked for. What ends in a number and is no IPv4 address
/// ("1.2.3", "0x7f.1"), and a text with a colon that is no IPv6 address, is bad_name.
[[nodiscard]] std::optional<endpoint> numeric_endpoint(std::string_view name, std::uint16_t port, std::error_code& ec);

}  // namespace sennit::inline v0::detail

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <ostream>

#include <sennit/endpoint.hpp>

#include "net/address.hpp"

namespace sennit::inline v0 {
namespace {

/// What is wrong with a text, and where its first wrong character is. Nothing: `what` is null.
struct defect {
  const char* what = nullptr;
  std::size_t at = 0;
  explicit operator bool() const noexcept { return what != nullptr; }
};

// Locale-free, unlike <cctype>.
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
constexpr bool is_visible(char c) noexcept { return c > ' ' && c < '\x7f'; }

std::size_t find_not(std::string_view text, bool (*accepts)(char)) noexcept {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, accepts) - text.begin());
}

/// A decimal number up to `limit` without sign, blanks or leading zeros; -1 otherwise.
long parse_number(std::string_view text, long limit) noexcept {
  if (text.empty() || text.size() > 5 || find_not(text, is_digit) != text.size()) return -1;
  if (text.size() > 1 && text.front() == '0') return -1;
  long value = 0;
  for (const char c : text) value = value * 10 + (c - '0');
  return value <= limit ? value : -1;
}

defect parse_port(std::string_view text, std::size_t at, std::uint16_t& port) noexcept {
  if (text.empty()) return {"the port is missing: it follows the last colon", at};
  const long value = parse_number(text, 65535);
  if (value < 0) return {"a port is a number from 0 to 65535, without signs, blanks or leading zeros", at};
  port = static_cast<std::uint16_t>(value);
  return {};
}

/// Calls visit(label, offset) for what stands between the dots, until it finds a defect.
template <class Visit>
defect for_labels(std::string_view text, Visit visit) {
  for (std::size_t begin = 0;;) {
    const auto end = std::min(text.find('.', begin), text.size());
    if (const defect wrong = visit(text.substr(begin, end - begin), begin)) return wrong;
    if (end == text.size()) return {};
    begin = end + 1;
  }
}

/// Resolvers take what ends in a number ("1.2.3", "0x7f.1") for an address, each by rules of its own.
bool ends_in_number(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  auto last = host.substr(host.rfind('.') + 1);  // npos + 1 is 0
  if (last.starts_with("0x") || last.starts_with("0X")) return find_not(last.substr(2), is_hex) == last.size() - 2;
  return !last.empty() && find_not(last, is_digit) == last.size();
}

defect parse_ipv4(std::string_view text) {
  std::size_t count = 0;
  const defect wrong = for_labels(text, [&](std::string_view part, std::size_t at) -> defect {
    if (++count > 4 || parse_number(part, 255) < 0)
      return {"an IPv4 address is four numbers from 0 to 255, without leading zeros", at};
    return {};
  });
  if (!wrong && count != 4) return {"an IPv4 address has four numbers", text.size()};
  return wrong;
}

/// RFC 1123, 2.1: letters, digits and inner hyphens. One dot at the end (an absolute name) is fine.
defect parse_name(std::string_view text) {
  if (text.size() > 253) return {"a host name has at most 253 characters", 253};
  if (text.size() > 1 && text.ends_with('.')) text.remove_suffix(1);
  return for_labels(text, [](std::string_view label, std::size_t at) -> defect {
    if (label.empty()) return {"a host name has letters or digits between its dots", at};
    const auto stray = find_not(label, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
    if (stray < label.size()) return {"a host name consists of letters, digits, hyphens and dots", at + stray};
    if (label.size() > 63) return {"a host name has at most 63 characters between its dots", at + 63};
    if (label.front() == '-') return {"a host name has no hyphen next to a dot or an end", at};
    if (label.back() == '-') return {"a host name has no hyphen next to a dot or an end", at + label.size() - 1};
    return {};
  });
}

defect parse_zone(std::string_view zone, const in6_addr& address) noexcept {
  if (!IN6_IS_ADDR_LINKLOCAL(&address) && !IN6_IS_ADDR_MC_LINKLOCAL(&address) && !IN6_IS_ADDR_MC_NODELOCAL(&address))
    return {"only a link-local address (fe80::...) has a zone", 0};
  if (zone.empty() || zone.size() > 15) return {"a zone is the name or number of an interface", 1};
  // What Linux allows in the name of an interface, less what would be hard to see or to find the end of.
  const auto stray =
      find_not(zone, [](char c) { return is_visible(c) && c != '/' && c != ':' && c != '%' && c != ']'; });
  if (stray < zone.size()) return {"a zone is the name or number of an interface", 1 + stray};
  return {};
}

/// `text` without brackets; `host` becomes its canonical form.
defect parse_ipv6(std::string_view text, std::string& host) {
  const auto percent = std::min(text.find('%'), text.size());
  const std::string digits(text.substr(0, percent));
  const auto stray = find_not(digits, [](char c) { return is_hex(c) || c == ':' || c == '.'; });
  if (stray < digits.size()) return {"an IPv6 address consists of hexadecimal digits and colons", stray};
  in6_addr address{};
  if (::inet_pton(AF_INET6, digits.c_str(), &address) != 1) return {"this is not an IPv6 address", 0};
  char canonical[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &address, canonical, sizeof canonical);
  host = canonical;
  if (percent == text.size()) return {};
  if (const defect wrong = parse_zone(text.substr(percent + 1), address)) return {wrong.what, percent + wrong.at};
  host += text.substr(percent);
  return {};
}

/// IPv4 address or name.
defect parse_host(std::string_view text, std::uint16_t port, endpoint& into) {
  if (text.empty()) return {"the host is missing: 0.0.0.0 and [::] stand for all addresses", 0};
  const bool numeric = ends_in_number(text);
  if (const defect wrong = numeric ? parse_ipv4(text) : parse_name(text)) return wrong;
  into = endpoint_access::make(numeric ? endpoint::family::ipv4 : endpoint::family::name, std::string(text), port);
  return {};
}

defect parse_bracketed(std::string_view text, endpoint& into) {
  const auto close = text.find(']');
  if (close == std::string_view::npos) return {"the closing bracket is missing", text.size()};
  std::string host;
  std::uint16_t port = 0;
  if (const defect wrong = parse_ipv6(text.substr(1, close - 1), host)) return {wrong.what, 1 + wrong.at};
  if (close + 1 == text.size() || text[close + 1] != ':') return {"a colon and the port follow the bracket", close + 1};
  if (const defect wrong = parse_port(text.substr(close + 2), close + 2, port)) return wrong;
  into = endpoint_access::make(endpoint::family::ipv6, std::move(host), port);
  return {};
}

constexpr std::string_view unix_prefix = "unix:";

defect parse_unix(std::string_view text, endpoint& into) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  const auto path = text.substr(unix_prefix.size());
  if (path.empty() || (path.front() != '/' && path.front() != '@'))
    return {"after unix: comes a path that begins with /, or @ and an abstract name", unix_prefix.size()};
  if (path == "@") return {"an abstract name has at least one character", text.size()};
  if (path.size() > longest) return {"the path of a unix socket has at most 107 bytes", unix_prefix.size() + longest};
  // An abstract name may hold any bytes.
  if (const auto zero = path.find('\0'); path.front() == '/' && zero != std::string_view::npos)
    return {"a path holds no zero byte", unix_prefix.size() + zero};
  into = endpoint_access::make(endpoint::family::unix_path, std::string(path), 0);
  return {};
}

defect parse_text(std::string_view text, endpoint& into) {
  // A host may be called unix: "unix:80" is one.
  if (text.starts_with(unix_prefix) && parse_number(text.substr(unix_prefix.size()), 65535) < 0)
    return parse_unix(text, into);
  if (text.starts_with('[')) return parse_bracketed(text, into);
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return {"the port is missing: write host:port", text.size()};
  if (const auto second = text.find(':', colon + 1); second != std::string_view::npos)
    return {"there is a second colon; an IPv6 address goes in brackets, as in [::1]:80", second};
  std::uint16_t port = 0;
  if (const defect wrong = parse_port(text.substr(colon + 1), colon + 1, port)) return wrong;
  return parse_host(text.substr(0, colon), port, into);
}

/// `text` fit for a message: printable, and not too long.
std::string quoted(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_visible(c) || c == ' ') {
      out += c;
    } else {
      out += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    }
  }
  return out + (text.size() > 64 ? "...\"" : "\"");
}

[[noreturn]] void fail(std::string_view text, const defect& wrong) {
  throw std::system_error(error::bad_endpoint, "endpoint " + quoted(text) + ", character " +
                                                   std::to_string(wrong.at + 1) + ": " + wrong.what);
}

}  // namespace

endpoint::endpoint(std::string_view text) {
  if (const defect wrong = parse_text(text, *this)) fail(text, wrong);
}

endpoint::endpoint(std::string_view host, std::uint16_t port) {
  if (host.find(':') == std::string_view::npos) {
    if (const defect wrong = parse_host(host, port, *this)) fail(host, wrong);
  } else {
    std::string canonical;
    if (const defect wrong = parse_ipv6(host, canonical)) fail(host, wrong);
    *this = endpoint_access::make(family::ipv6, std::move(canonical), port);
  }
}

endpoint endpoint::parse(std::string_view text, std::error_code& ec) {
  endpoint parsed;
  ec = parse_text(text, parsed) ? make_error_code(error::bad_endpoint) : std::error_code();
  return parsed;
}

std::string endpoint::to_string() const {
  switch (family_) {
    case family::none: return {};
    case family::unix_path: return std::string(unix_prefix) + host_;
    case family::ipv6: return '[' + host_ + "]:" + std::to_string(port_);
    case family::ipv4:
    case family::name: break;
  }
  return host_ + ':' + std::to_string(port_);
}

std::ostream& operator<<(std::ostream& out, const endpoint& e) { return out << e.to_string(); }

}  // namespace sennit::inline v0

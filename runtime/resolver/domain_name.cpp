#include "resolver/domain_name.hpp"

#include <algorithm>

#include <sennit/resolver.hpp>

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t longest_name = 253;
constexpr std::size_t longest_label = 63;

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
// A backslash escapes in the textual form of names: what is asked would be another name.
constexpr bool is_fine(char c) noexcept { return c > ' ' && c < '\x7f' && c != '\\'; }

std::string_view without_root(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool ends_in_number(std::string_view name) noexcept {
  name = without_root(name);
  const auto last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  if (last.starts_with("0x") || last.starts_with("0X")) {
    return std::ranges::all_of(last.substr(2),
                               [](char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); });
  }
  return !last.empty() && std::ranges::all_of(last, is_digit);
}

}  // namespace

std::error_code check_domain_name(std::string_view name) noexcept {
  name = without_root(name);
  if (name.size() > longest_name) return resolver_errc::name_too_long;
  std::error_code verdict;
  for (std::size_t begin = 0;;) {
    const auto end = std::min(name.find('.', begin), name.size());
    const auto label = name.substr(begin, end - begin);
    if (label.empty() || !std::ranges::all_of(label, is_fine)) return resolver_errc::bad_name;
    if (label.size() > longest_label) verdict = resolver_errc::name_too_long;
    if (end == name.size()) return verdict;
    begin = end + 1;
  }
}

std::string comparable(std::string_view name) {
  std::string text(without_root(name));
  std::ranges::transform(text, text.begin(), lower);
  return text;
}

bool is_localhost(std::string_view comparable_name) noexcept {
  return comparable_name == "localhost" || comparable_name.ends_with(".localhost");
}

std::optional<endpoint> numeric_endpoint(std::string_view name, std::uint16_t port, std::error_code& ec) {
  ec.clear();
  if (name.find(':') == std::string_view::npos && !ends_in_number(name)) return {};
  try {
    return endpoint(name, port);
  } catch (const std::system_error&) {
    ec = resolver_errc::bad_name;
    return {};
  }
}

}  // namespace sennit::inline v0::detail

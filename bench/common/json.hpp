#pragma once
// Flat JSON objects, one per line: how the programs of bench/ report to each other and to scripts.
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

/// Builds {"key": value, ...} in the order of the calls. One thread.
class json_object {
 public:
  json_object& add(std::string_view key, std::string_view text) {
    begin(key) += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    text_ += '"';
    return *this;
  }
  json_object& add(std::string_view key, const char* text) { return add(key, std::string_view(text)); }
  json_object& add(std::string_view key, bool truth) {
    begin(key) += truth ? "true" : "false";
    return *this;
  }
  json_object& add(std::string_view key, std::integral auto number) {
    begin(key) += std::to_string(number);
    return *this;
  }
  /// Six significant digits are more than any of our measurements carries; not a number becomes null.
  json_object& add(std::string_view key, double number) {
    char digits[32] = "null";
    if (std::isfinite(number)) std::snprintf(digits, sizeof digits, "%.6g", number);
    begin(key) += digits;
    return *this;
  }
  /// `json` is JSON already: an array, another object.
  json_object& add_json(std::string_view key, std::string_view json) {
    begin(key) += json;
    return *this;
  }
  [[nodiscard]] std::string str() const { return '{' + text_ + '}'; }

 private:
  std::string& begin(std::string_view key) {
    if (!text_.empty()) text_ += ", ";
    return ((text_ += '"') += key) += "\": ";
  }
  std::string text_;
};

/// The raw value behind `key` in a flat object written by json_object: without quotes, escapes as they stand.
inline std::optional<std::string_view> json_value(std::string_view object, std::string_view key) {
  const std::string needle = '"' + std::string(key) + "\": ";
  const auto at = object.find(needle);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = object.substr(at + needle.size());
  if (!rest.starts_with('"')) return rest.substr(0, rest.find_first_of(",}"));
  rest.remove_prefix(1);
  std::size_t end = 0;
  while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
  return rest.substr(0, end);
}

/// The number behind `key`; NaN if there is none.
inline double json_number(std::string_view object, std::string_view key) {
  double number = std::nan("");
  if (const auto text = json_value(object, key)) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace bench

#include "support/http_files.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <utility>

namespace http {
namespace {

constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Is the tag in a list of them? Weak and strong ones are alike here (RFC 9110, 13.1.2).
bool lists(std::string_view list, std::string_view tag) {
  while (!list.empty()) {
    std::string_view item = trim(cut(list, ','));
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == tag) return true;
  }
  return false;
}

/// Digits alone, or nothing.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) return UINT64_MAX;
  return parsed.ec == std::errc{} ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string format_date(std::chrono::sys_seconds time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                days[static_cast<std::size_t>(t.tm_wday)], t.tm_mday, months[static_cast<std::size_t>(t.tm_mon)],
                t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return text.data();
}

std::optional<std::chrono::sys_seconds> parse_date(const std::string& text) {
  for (const char* const form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm t{};
    const char* const end = ::strptime(text.c_str(), form, &t);
    if (end != nullptr && *end == '\0') return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&t)));
  }
  return std::nullopt;
}

bool not_modified(const request& asked, const validators& now) {
  if (const std::string* tags = asked.find("If-None-Match")) return trim(*tags) == "*" || lists(*tags, now.etag);
  const std::string* since = asked.find("If-Modified-Since");
  const auto date = since != nullptr ? parse_date(*since) : std::nullopt;
  return date && now.modified <= *date;
}

std::optional<byte_range> wanted_range(const request& asked, std::uint64_t size, const validators& now) {
  const std::string* const header = asked.find("Range");
  if (header == nullptr || asked.method != "GET") return std::nullopt;
  if (const std::string* const only_if = asked.find("If-Range")) {
    const auto date = parse_date(*only_if);
    if (date ? *date != now.modified : *only_if != now.etag) return std::nullopt;
  }
  std::string_view text = *header;
  if (!text.starts_with("bytes=")) return std::nullopt;
  text = trim(text.substr(6));
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto from = text.substr(0, dash);
  const auto to = text.substr(dash + 1);
  if (from.empty()) {  // the last bytes
    const auto count = number(to);
    if (!count) return std::nullopt;
    const std::uint64_t n = std::min(*count, size);
    return byte_range{size - n, n};
  }
  const auto first = number(from);
  const auto last = to.empty() ? std::optional(UINT64_MAX) : number(to);
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first >= size) return byte_range{};
  return byte_range{*first, std::min(*last, size - 1) - *first + 1};
}

response head_of_file(const request& asked, std::uint64_t size, const validators& now, std::uint64_t& first) {
  response head{.body_size = size};
  head.headers = {{"ETag", now.etag}, {"Last-Modified", format_date(now.modified)}, {"Accept-Ranges", "bytes"}};
  if (not_modified(asked, now)) {
    head.status = 304;
    return head;
  }
  const auto range = wanted_range(asked, size, now);
  if (!range) return head;
  const std::string of = '/' + std::to_string(size);
  if (range->count == 0) {
    response none = error_response(416, "the file has " + std::to_string(size) + " bytes");
    none.headers.push_back({"Content-Range", "bytes *" + of});
    return none;
  }
  first = range->first;
  const std::string last = std::to_string(first + range->count - 1);
  head.status = 206;
  head.body_size = range->count;
  head.headers.push_back({"Content-Range", "bytes " + std::to_string(first) + '-' + last + of});
  return head;
}

std::string content_type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 16> types{{
      {".html", "text/html; charset=utf-8"},
      {".htm", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".txt", "text/plain; charset=utf-8"},
      {".md", "text/markdown; charset=utf-8"},
      {".xml", "application/xml"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".gif", "image/gif"},
      {".webp", "image/webp"},
      {".pdf", "application/pdf"},
      {".wasm", "application/wasm"},
  }};
  const auto dot = name.rfind('.');
  std::string extension(dot == std::string_view::npos ? "" : name.substr(dot));
  std::ranges::transform(extension, extension.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto* const found = std::ranges::find(types, extension, &std::pair<std::string_view, const char*>::first);
  return found != types.end() ? found->second : "application/octet-stream";
}

std::optional<std::string> name_below_root(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  // Decoded first: a / or .. that was written as %2f or %2e%2e counts as one.
  std::string name = percent_decode(path.substr(1));
  if (name.find('\0') != std::string::npos) return std::nullopt;
  for (std::string_view left = name; !left.empty();) {
    const auto segment = left.substr(0, left.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return std::nullopt;
    left.remove_prefix(std::min(segment.size() + 1, left.size()));
  }
  return name;
}

}  // namespace http

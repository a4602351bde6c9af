#pragma once
// What a server of files must know of HTTP (RFC 9110): dates, entity tags, ranges, types, and which paths are names of
// files at all. No file is touched here.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "support/http.hpp"

namespace http {

/// "Sun, 06 Nov 1994 08:49:37 GMT"
[[nodiscard]] std::string format_date(std::chrono::sys_seconds time);
/// That form and the two old ones that servers must still understand; nothing for what is none of them.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_date(const std::string& text);

/// The representation that is there to be sent.
struct validators {
  std::string etag;  // with its quotes; strong
  std::chrono::sys_seconds modified;
};

/// Has the client what is there already (If-None-Match, else If-Modified-Since)? Then the answer is 304.
[[nodiscard]] bool not_modified(const request& asked, const validators& now);

struct byte_range {
  std::uint64_t first = 0;
  std::uint64_t count = 0;  // 0: the range is beyond the end, the answer is 416
};
/// The part that a GET asks for (Range, unless an If-Range speaks against it). Nothing: the whole is sent, also if
/// several parts are wanted, or the header is not understood.
[[nodiscard]] std::optional<byte_range> wanted_range(const request& asked, std::uint64_t size, const validators& now);

/// The head of the answer: 200 or 206, whose bodies are to be sent from `first` on; 304; or all of a 416.
[[nodiscard]] response head_of_file(const request& asked, std::uint64_t size, const validators& now,
                                    std::uint64_t& first);

/// By the extension of the name; application/octet-stream if it is not known.
[[nodiscard]] std::string content_type_of(std::string_view name);

/// A path of a request, decoded, as a name below the root: "/a%20b/" is "a b/", "/" is empty. Nothing for what could
/// lead elsewhere or is written in a second way: segments that are empty, "." or "..", and NULs.
[[nodiscard]] std::optional<std::string> name_below_root(std::string_view path);

}  // namespace http

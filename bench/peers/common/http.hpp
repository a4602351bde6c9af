#pragma once
// What the servers of the group http answer, and the least that one can do to find out when.
#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

inline constexpr std::string_view http_body = "Hello, World!";
inline constexpr std::string_view http_type = "text/plain";

/// Counts the requests of a connection: it looks for the empty line that ends one, and at nothing else.
class request_counter {
 public:
  /// How many end in `bytes`, which follow those of the call before.
  std::size_t feed(std::string_view bytes) {
    std::size_t ended = 0;
    for (const char c : bytes) {
      matched_ = c == end[matched_] ? matched_ + 1 : c == end[0] ? 1 : 0;
      if (matched_ < end.size()) continue;
      ++ended;
      matched_ = 0;
    }
    return ended;
  }

 private:
  static constexpr std::string_view end = "\r\n\r\n";
  std::size_t matched_ = 0;  // bytes of `end`
};

/// The answers to `count` requests. Of one thread; valid until the next call.
inline std::string_view http_answers(std::size_t count) {
  static const std::string one = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(http_body.size()) +
                                 "\r\nContent-Type: " + std::string(http_type) + "\r\n\r\n" + std::string(http_body);
  static std::string all;
  while (all.size() < count * one.size()) all += one;
  return std::string_view(all).substr(0, count * one.size());
}

}  // namespace bench

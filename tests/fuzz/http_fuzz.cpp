// The HTTP parser of the examples: however the bytes are cut, the same requests and the same error come out.
#include "fuzz/fuzz_target.hpp"
#include "support/http.hpp"

namespace sennit::test {
namespace {

/// All that a parser makes of `bytes`, as text.
std::string outcome(std::string_view bytes, http::limits bounds, std::uint64_t cuts) {
  detail::random_source random(cuts);
  http::request_parser parser(bounds);
  std::string all;
  while (!bytes.empty() && !parser.failed()) {
    std::string_view piece = bytes.substr(0, cuts == 0 ? bytes.size() : 1 + random.below(20));
    while (!piece.empty() && !parser.failed()) {
      const std::size_t taken = parser.feed(piece);
      must(taken > 0 && taken <= piece.size(), "feed() makes progress");
      piece.remove_prefix(taken);
      bytes.remove_prefix(taken);
      if (!parser.done()) continue;
      const http::request r = parser.take();
      must(r.body.size() <= bounds.body && r.headers.size() <= bounds.headers, "limits hold");
      all += r.method + ' ' + r.path + '?' + r.query + ' ' + std::to_string(r.minor_version) + '\n';
      all += http::percent_decode(r.path) + (r.keep_alive ? " keep\n" : " close\n");
      for (const auto& h : r.headers) {
        must(h.name.find_first_of("\r\n: ") == std::string::npos, "a header's name is one");
        must(h.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "and so is its value");
        all += h.name + '=' + h.value + '\n';
      }
      all += r.body + '\n';
      http::append(all, {.body = r.path}, r);
    }
  }
  if (parser.failed()) {
    must(!http::reason_phrase(parser.error()).empty(), "errors are such as are answered");
    http::append(all, http::error_response(parser.error(), parser.why()), parser.current());
  }
  return all + (parser.idle() ? "idle" : "unfinished");
}

void fuzz_http(std::span<const std::uint8_t> bytes) {
  fuzz_input input(bytes);
  const http::limits bounds =
      input.byte() % 2 == 0 ? http::limits{} : http::limits{.request_line = 40, .head = 60, .headers = 3, .body = 20};
  const std::uint64_t cuts = 1 + input.byte();
  const std::string text = input.rest();
  must(outcome(text, bounds, 0) == outcome(text, bounds, cuts), "the same, however it is cut");
}

const fuzz_target it("http", fuzz_http);

}  // namespace
}  // namespace sennit::test

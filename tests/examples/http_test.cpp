// The HTTP parser: every way to cut the bytes, every error, and a fuzzer that knows what must stay true.
#include "support/http.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

using http::limits;
using http::request;
using http::request_parser;

/// What a parser made of some bytes: requests, then perhaps an error; and whether a request was left unfinished.
struct outcome {
  std::vector<request> requests;
  int error = 0;
  bool idle = true;
};

/// Feeds `bytes` in pieces whose lengths `next_length()` gives.
template <class NextLength>
outcome parse_in_pieces(std::string_view bytes, NextLength next_length, limits bounds = {}) {
  request_parser parser(bounds);
  outcome result;
  while (!bytes.empty() && !parser.failed()) {
    std::string_view piece = bytes.substr(0, next_length());
    while (!piece.empty() && !parser.failed()) {
      const std::size_t taken = parser.feed(piece);
      EXPECT_GT(taken, 0U) << "feed() must make progress";
      if (taken == 0) return result;
      piece.remove_prefix(taken);
      bytes.remove_prefix(taken);
      if (parser.done()) result.requests.push_back(parser.take());
    }
  }
  result.error = parser.failed() ? parser.error() : 0;
  result.idle = parser.idle();
  return result;
}

outcome parse(std::string_view bytes, limits bounds = {}) {
  return parse_in_pieces(bytes, [&] { return bytes.size(); }, bounds);
}

std::string describe(const outcome& o) {
  std::string text;
  for (const auto& r : o.requests) {
    text += r.method + " [" + r.path + "] [" + r.query + "] 1." + std::to_string(r.minor_version);
    text += r.keep_alive ? " keep\n" : " close\n";
    for (const auto& h : r.headers) text += h.name + "=" + h.value + "\n";
    text += "body " + r.body + "\n";
  }
  return text + "error " + std::to_string(o.error) + (o.idle ? " idle" : " unfinished");
}

request parse_one(std::string_view bytes) {
  auto result = parse(bytes);
  EXPECT_EQ(result.error, 0) << bytes;
  EXPECT_EQ(result.requests.size(), 1U) << bytes;
  return result.requests.empty() ? request{} : result.requests.front();
}

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string post = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const std::string chunked =
    "POST /c?x=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nChecksum: 1\r\n\r\n";

TEST(http_parser, reads_a_request) {
  const auto r = parse_one(
      "POST /a/b%20c?q=1&r=?2 HTTP/1.1\r\nHost: example:80\r\nX-One:  two words \t\r\n"
      "Empty:\r\ncontent-length: 3\r\n\r\nxyz");
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.path, "/a/b%20c");
  EXPECT_EQ(r.query, "q=1&r=?2");
  EXPECT_EQ(r.minor_version, 1);
  EXPECT_EQ(r.body, "xyz");
  ASSERT_NE(r.find("x-ONE"), nullptr);
  EXPECT_EQ(*r.find("x-ONE"), "two words");
  EXPECT_EQ(*r.find("empty"), "");
  EXPECT_EQ(r.find("absent"), nullptr);
}

TEST(http_parser, reads_all_forms_of_target) {
  EXPECT_EQ(parse_one("GET http://h:1/x?y HTTP/1.1\r\nHost: h\r\n\r\n").path, "/x");
  EXPECT_EQ(parse_one("GET http://h:1/x?y HTTP/1.1\r\nHost: h\r\n\r\n").query, "y");
  EXPECT_EQ(parse_one("GET HTTPS://h HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
  EXPECT_EQ(parse_one("GET http://h?y HTTP/1.1\r\nHost: h\r\n\r\n").query, "y");
  EXPECT_EQ(parse_one("GET /://x HTTP/1.1\r\nHost: h\r\n\r\n").path, "/://x");
  EXPECT_EQ(parse_one("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").path, "*");
}

TEST(http_parser, reads_chunked_bodies_and_drops_trailers) {
  const auto r = parse_one(chunked);
  EXPECT_EQ(r.body, "hello world");
  EXPECT_EQ(r.find("checksum"), nullptr);
  EXPECT_EQ(parse_one("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n").body, "");
  EXPECT_EQ(
      parse_one("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n0\r\n\r\n").body,
      "0123456789");
}

TEST(http_parser, keep_alive_follows_version_and_connection) {
  const auto keeps = [](std::string first, std::string headers) {
    return parse_one("GET / " + first + "\r\nHost: a\r\n" + headers + "\r\n").keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Upgrade, CLOSE\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.1", "Connection: closed\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.2", "")) << "a higher minor version is read as the highest known";
}

TEST(http_parser, http_1_0_needs_no_host) { EXPECT_EQ(parse_one("GET / HTTP/1.0\r\n\r\n").minor_version, 0); }

TEST(http_parser, pipelined_requests_come_out_one_by_one) {
  const auto result = parse(get + post + chunked + "\r\n" + get);
  ASSERT_EQ(result.requests.size(), 4U);
  EXPECT_EQ(result.error, 0);
  EXPECT_TRUE(result.idle);
  EXPECT_EQ(result.requests[1].body, "hello");
  EXPECT_EQ(result.requests[2].body, "hello world");
  EXPECT_EQ(result.requests[3].path, "/");
}

TEST(http_parser, stops_at_the_end_of_a_request) {
  request_parser parser;
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(parser.feed(post + get), post.size());
  EXPECT_TRUE(parser.done());
  EXPECT_EQ(parser.feed(get), 0U);
  EXPECT_EQ(parser.take().body, "hello");
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(parser.feed("G"), 1U);
  EXPECT_FALSE(parser.idle());
  EXPECT_THROW((void)parser.take(), std::logic_error);
}

TEST(http_parser, the_cut_of_the_bytes_does_not_matter) {
  const std::string bytes = get + post + chunked + get + "GET /bad\r\n\r\n";
  const std::string whole = describe(parse(bytes));
  EXPECT_NE(whole.find("error 400"), std::string::npos);
  for (std::size_t length = 1; length < 40; ++length)
    EXPECT_EQ(describe(parse_in_pieces(bytes, [&] { return length; })), whole) << "pieces of " << length;
}

struct bad_request {
  const char* name;
  int status;
  std::string bytes;
};

class http_error : public testing::TestWithParam<bad_request> {};

TEST_P(http_error, is_answered_with_its_code) {
  limits small;
  small.request_line = 64;
  small.head = 128;
  small.headers = 4;
  small.body = 10;
  const auto& bad = GetParam();
  for (const std::size_t length : {bad.bytes.size(), std::size_t{1}, std::size_t{3}}) {
    const auto result = parse_in_pieces(bad.bytes, [&] { return length; }, small);
    EXPECT_EQ(result.error, bad.status) << "pieces of " << length << ": " << bad.bytes;
    EXPECT_TRUE(result.requests.empty());
  }
}

std::string with_headers(const std::string& lines) { return "POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n"; }
std::string with_chunks(const std::string& chunks) { return with_headers("Transfer-Encoding: chunked\r\n") + chunks; }

INSTANTIATE_TEST_SUITE_P(
    all, http_error,
    testing::Values(
        bad_request{"no_target", 400, "GET\r\n"}, bad_request{"no_version", 400, "GET /\r\n"},
        bad_request{"two_spaces", 400, "GET  / HTTP/1.1\r\n"}, bad_request{"space_at_end", 400, "GET / HTTP/1.1 \r\n"},
        bad_request{"leading_space", 400, " GET / HTTP/1.1\r\n"}, bad_request{"tab", 400, "GET\t/ HTTP/1.1\r\n"},
        bad_request{"bad_method", 400, "G@T / HTTP/1.1\r\n"}, bad_request{"two_blank_lines", 400, "\r\n\r\nGET"},
        bad_request{"bare_lf_request_line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        bad_request{"bare_lf_header", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
        bad_request{"bare_cr_header", 400, "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"},
        bad_request{"relative_target", 400, "GET a HTTP/1.1\r\n"}, bad_request{"star_get", 400, "GET * HTTP/1.1\r\n"},
        bad_request{"other_scheme", 400, "GET ftp://a/ HTTP/1.1\r\n"},
        bad_request{"no_host", 400, "GET http:///a HTTP/1.1\r\n"},
        bad_request{"fragment", 400, "GET /a#b HTTP/1.1\r\n"}, bad_request{"bad_escape", 400, "GET /%4 HTTP/1.1\r\n"},
        bad_request{"bad_escape_digit", 400, "GET /%4g HTTP/1.1\r\n"},
        bad_request{"raw_utf8", 400, "GET /\xc3\xa4 HTTP/1.1\r\n"},
        bad_request{"bad_protocol", 400, "GET / HTTQ/1.1\r\n"},
        bad_request{"lower_case_protocol", 400, "GET / http/1.1\r\n"},
        bad_request{"short_version", 400, "GET / HTTP/1\r\n"}, bad_request{"long_version", 400, "GET / HTTP/1.10\r\n"},
        bad_request{"http_2", 505, "GET / HTTP/2.0\r\n"},
        bad_request{"http_2_preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        bad_request{"connect", 501, "CONNECT a:1 HTTP/1.1\r\n"},
        bad_request{"long_target", 414, "GET /" + std::string(64, 'a') + " HTTP/1.1\r\n"},
        bad_request{"endless_line", 414, std::string(65, 'a')},
        bad_request{"folded_header", 400, "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"},
        bad_request{"folded_first", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        bad_request{"space_before_colon", 400, with_headers("A : b\r\n")},
        bad_request{"no_colon", 400, with_headers("A\r\n")}, bad_request{"no_name", 400, with_headers(": b\r\n")},
        bad_request{"nul", 400, with_headers(std::string("A: b\0c\r\n", 8))},
        bad_request{"escape", 400, with_headers("A: \x1b[2J\r\n")},
        bad_request{"missing_host", 400, "GET / HTTP/1.1\r\n\r\n"},
        bad_request{"two_hosts", 400, with_headers("host: a\r\n")},
        bad_request{"bad_host", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        bad_request{"many_headers", 431, with_headers("A: b\r\nA: b\r\nA: b\r\nA: b\r\n")},
        bad_request{"long_header", 431, with_headers("A: " + std::string(128, 'b') + "\r\n")},
        bad_request{"endless_header", 431, "GET / HTTP/1.1\r\n" + std::string(129, 'b')},
        bad_request{"long_head", 431,
                    with_headers("A: " + std::string(60, 'b') + "\r\nB: " + std::string(60, 'b') + "\r\n")},
        bad_request{"length_word", 400, with_headers("Content-Length: x\r\n")},
        bad_request{"length_empty", 400, with_headers("Content-Length:\r\n")},
        bad_request{"length_plus", 400, with_headers("Content-Length: +5\r\n")},
        bad_request{"length_minus", 400, with_headers("Content-Length: -5\r\n")},
        bad_request{"length_hex", 400, with_headers("Content-Length: 0x5\r\n")},
        bad_request{"length_list", 400, with_headers("Content-Length: 5, 5\r\n")},
        bad_request{"two_lengths", 400, with_headers("Content-Length: 5\r\nContent-Length: 6\r\n")},
        bad_request{"large_body", 413, with_headers("Content-Length: 11\r\n")},
        bad_request{"huge_body", 413, with_headers("Content-Length: 99999999999999999999999\r\n")},
        bad_request{"length_and_chunked", 400, with_headers("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
        bad_request{"chunked_and_length", 400, with_headers("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")},
        bad_request{"two_codings", 400, with_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
        bad_request{"gzip", 501, with_headers("Transfer-Encoding: gzip, chunked\r\n")},
        bad_request{"chunked_1_0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        bad_request{"expectation", 417, with_headers("Content-Length: 5\r\nExpect: miracles\r\n")},
        bad_request{"chunk_empty", 400, with_chunks("\r\n")}, bad_request{"chunk_word", 400, with_chunks("x\r\n")},
        bad_request{"chunk_0x", 400, with_chunks("0x5\r\n")}, bad_request{"chunk_minus", 400, with_chunks("-1\r\n")},
        bad_request{"chunk_space", 400, with_chunks("5 \r\n")},
        bad_request{"chunk_bare_lf", 400, with_chunks("5\nhello\r\n")},
        bad_request{"chunk_short", 400, with_chunks("5\r\nhell\r\n0\r\n\r\n")},
        bad_request{"chunk_long", 400, with_chunks("5\r\nhello!\r\n")},
        bad_request{"chunk_no_end", 400, with_chunks("5\r\nhello0\r\n")},
        bad_request{"chunk_too_large", 413, with_chunks("b\r\n")},
        bad_request{"chunks_too_large", 413, with_chunks("6\r\nhello \r\n5\r\n")},
        bad_request{"chunk_huge", 413, with_chunks("fffffffffffffffff\r\n")},
        bad_request{"chunk_extension_endless", 400, with_chunks("5;" + std::string(300, 'a'))},
        bad_request{"chunk_extension_control", 400, with_chunks("5;\x01\r\n")},
        bad_request{"trailer_bad", 400, with_chunks("0\r\nno colon\r\n")},
        bad_request{"trailer_folded", 400, with_chunks("0\r\nA: b\r\n c\r\n\r\n")},
        bad_request{"trailers_long", 431, with_chunks("0\r\nA: " + std::string(128, 'b') + "\r\n\r\n")},
        bad_request{"trailers_many", 431, with_chunks("0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n")}),
    [](const auto& p) { return std::string(p.param.name); });

TEST(http_parser, bounds_are_met_exactly) {
  limits small;
  small.body = 5;
  EXPECT_EQ(parse(post, small).requests.size(), 1U);
  small.body = 4;
  EXPECT_EQ(parse(post, small).error, 413);
  small = {};
  small.request_line = std::string("GET / HTTP/1.1\r\n").size();
  EXPECT_EQ(parse(get, small).requests.size(), 1U);
  --small.request_line;
  EXPECT_EQ(parse(get, small).error, 414);
  small = {};
  small.head = std::string("Host: a\r\n\r\n").size();
  EXPECT_EQ(parse(get, small).requests.size(), 1U);
  --small.head;
  EXPECT_EQ(parse(get, small).error, 431);
}

TEST(http_parser, expect_continue_only_while_the_body_is_awaited) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n";
  request_parser waits;
  waits.feed(head);
  EXPECT_TRUE(waits.take_expect_continue());
  EXPECT_FALSE(waits.take_expect_continue());
  waits.feed("ab");
  EXPECT_TRUE(waits.done());

  request_parser does_not;
  does_not.feed(head + "a");
  EXPECT_FALSE(does_not.take_expect_continue());

  request_parser no_body;
  no_body.feed("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(no_body.take_expect_continue());
  EXPECT_TRUE(no_body.done());
}

/// Valid requests, mutated: bytes flipped, dropped, doubled, pieces of the grammar put in. Whatever comes, the parser
/// ends in the same state however the bytes are cut, always moves on, and hands out nothing that breaks its own rules.
TEST(http_parser, survives_mutations) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto upto = [&random](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const std::vector<std::string> pieces{"\r\n",
                                        "\n",
                                        "\r",
                                        " ",
                                        ":",
                                        "0\r\n\r\n",
                                        "Content-Length: 3\r\n",
                                        "HTTP/1.1",
                                        "\t",
                                        "%",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Host: b\r\n",
                                        "Connection: close\r\n",
                                        "ffffffff",
                                        ";"};
  limits small;
  small.request_line = 128;
  small.head = 256;
  small.headers = 8;
  small.body = 64;

  int accepted = 0;
  int refused = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string bytes;
    for (std::size_t n = 1 + upto(3); n > 0; --n) bytes += upto(3) == 0 ? get : upto(2) == 0 ? post : chunked;
    for (std::size_t n = upto(4); n > 0; --n) {
      const std::size_t at = upto(bytes.size());
      switch (upto(4)) {
        case 0: bytes[at] = static_cast<char>(upto(256)); break;
        case 1: bytes.erase(at, 1 + upto(8)); break;
        case 2: bytes.insert(at, pieces[upto(pieces.size())]); break;
        default: bytes.insert(at, bytes.substr(upto(bytes.size()), upto(24)));
      }
      if (bytes.empty()) bytes = get;
    }
    const auto whole = parse(bytes, small);
    ASSERT_EQ(describe(parse_in_pieces(bytes, [] { return std::size_t{1}; }, small)), describe(whole)) << bytes;
    ASSERT_EQ(describe(parse_in_pieces(bytes, [&] { return 1 + upto(16); }, small)), describe(whole)) << bytes;
    for (const auto& r : whole.requests) {
      ASSERT_TRUE(r.path.starts_with('/') || r.path == "*") << bytes;
      ASSERT_LE(r.body.size(), small.body) << bytes;
      ASSERT_LE(r.headers.size(), small.headers) << bytes;
      ASSERT_FALSE(r.find("content-length") != nullptr && r.find("transfer-encoding") != nullptr) << bytes;
      for (const auto& h : r.headers)
        ASSERT_EQ(h.value.find_first_of(std::string_view("\r\n\0", 3)), std::string::npos);
    }
    accepted += static_cast<int>(whole.requests.size());
    refused += whole.error != 0 ? 1 : 0;
  }
  EXPECT_GT(accepted, 1'000);
  EXPECT_GT(refused, 1'000);
}

TEST(http_response, is_framed_as_the_request_asks) {
  const auto wire = [](const http::response& answer, const request& to) {
    std::string out;
    http::append(out, answer, to);
    return out;
  };
  const http::response hello{.body = "hello"};
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n";
  EXPECT_EQ(wire(hello, {.method = "GET"}), head + "\r\nhello");
  EXPECT_EQ(wire(hello, {.method = "HEAD"}), head + "\r\n") << "the length is that of the GET, the body stays here";
  EXPECT_EQ(wire(hello, {.method = "GET", .keep_alive = false}), head + "Connection: close\r\n\r\nhello");
  EXPECT_EQ(wire(hello, {.method = "GET", .minor_version = 0}), head + "Connection: keep-alive\r\n\r\nhello");
  EXPECT_EQ(wire({.status = 204}, {.method = "PUT"}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(wire({.status = 405, .headers = {{"Allow", "GET"}}, .close = true}, {.method = "PUT"}),
            "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_THROW(wire({.headers = {{"Location", "/a\r\nSet-Cookie: b"}}}, {}), std::invalid_argument);
  EXPECT_THROW(wire({.headers = {{"Bad Name", "a"}}}, {}), std::invalid_argument);
}

TEST(http_response, percent_decoding) {
  EXPECT_EQ(http::percent_decode("a%20b%2Fc+d%c3%A9"), "a b/c+d\xc3\xa9");
  EXPECT_EQ(http::percent_decode("100%"), "100%");
  EXPECT_EQ(http::percent_decode("%4"), "%4");
  EXPECT_EQ(http::percent_decode("%zz%41"), "%zzA");
}

}  // namespace

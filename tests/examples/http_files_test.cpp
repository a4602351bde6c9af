// What a server of files decides: dates, validators, ranges, types, names.
#include "support/http_files.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace std::chrono_literals;
using std::chrono::sys_seconds;

const sys_seconds example_date{784111777s};

http::request get(std::vector<http::header> headers) { return {.method = "GET", .headers = std::move(headers)}; }

TEST(http_files, dates) {
  EXPECT_EQ(http::format_date(example_date), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http::format_date(sys_seconds{}), "Thu, 01 Jan 1970 00:00:00 GMT");
  for (const char* const text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(http::parse_date(text), example_date) << text;
  }
  for (const char* const text : {"", "yesterday", "Sun, 06 Nov 1994 08:49:37 GMT and more", "Sun, 06 Nov 1994",
                                 "Sun, 06 Foo 1994 08:49:37 GMT", "784111777"}) {
    EXPECT_EQ(http::parse_date(text), std::nullopt) << text;
  }
}

TEST(http_files, who_has_it_already) {
  const http::validators now{"\"a\"", example_date};
  const auto asked = [&](const char* name, const char* value) { return http::not_modified(get({{name, value}}), now); };
  EXPECT_TRUE(asked("If-None-Match", "\"a\""));
  EXPECT_TRUE(asked("If-None-Match", "\"b\" , W/\"a\""));
  EXPECT_TRUE(asked("If-None-Match", " * "));
  EXPECT_FALSE(asked("If-None-Match", "\"b\""));
  EXPECT_FALSE(asked("If-None-Match", ""));
  EXPECT_FALSE(asked("If-None-Match", "a"));
  EXPECT_TRUE(asked("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"));
  EXPECT_FALSE(asked("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"));
  EXPECT_FALSE(asked("If-Modified-Since", "never"));
  EXPECT_FALSE(http::not_modified(get({}), now));
  EXPECT_FALSE(http::not_modified(
      get({{"If-None-Match", "\"b\""}, {"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}), now));
}

TEST(http_files, ranges) {
  const http::validators now{"\"a\"", example_date};
  /// "first+count", "none", "beyond".
  const auto range = [&](std::string value, std::uint64_t size = 100, std::vector<http::header> more = {}) {
    more.push_back({"Range", std::move(value)});
    const auto r = http::wanted_range(get(more), size, now);
    if (!r) return std::string("none");
    return r->count == 0 ? std::string("beyond") : std::to_string(r->first) + '+' + std::to_string(r->count);
  };
  EXPECT_EQ(range("bytes=0-0"), "0+1");
  EXPECT_EQ(range("bytes=10-19"), "10+10");
  EXPECT_EQ(range("bytes=10-"), "10+90");
  EXPECT_EQ(range("bytes=10-1000"), "10+90");
  EXPECT_EQ(range("bytes=-5"), "95+5");
  EXPECT_EQ(range("bytes=-500"), "0+100");
  EXPECT_EQ(range("bytes=99-99999999999999999999999"), "99+1");
  EXPECT_EQ(range("bytes=100-"), "beyond");
  EXPECT_EQ(range("bytes=-0"), "beyond");
  EXPECT_EQ(range("bytes=0-", 0), "beyond");
  EXPECT_EQ(range("bytes=-1", 0), "beyond");
  EXPECT_EQ(range("bytes=99999999999999999999999-"), "beyond");
  for (const char* const bad : {"", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-", "bytes=1-b", "bytes=+1-2",
                                "bytes=1 - 2", "bytes=0-1,3-4", "items=0-1", "0-1"}) {
    EXPECT_EQ(range(bad), "none") << bad;
  }
  EXPECT_EQ(range("bytes=0-0", 100, {{"If-Range", "\"a\""}}), "0+1");
  EXPECT_EQ(range("bytes=0-0", 100, {{"If-Range", "W/\"a\""}}), "none");
  EXPECT_EQ(range("bytes=0-0", 100, {{"If-Range", "Sun, 06 Nov 1994 08:49:37 GMT"}}), "0+1");
  EXPECT_EQ(range("bytes=0-0", 100, {{"If-Range", "Sun, 06 Nov 1994 08:49:38 GMT"}}), "none");
  http::request head = get({{"Range", "bytes=0-0"}});
  head.method = "HEAD";
  EXPECT_EQ(http::wanted_range(head, 100, now), std::nullopt);
}

TEST(http_files, types) {
  EXPECT_EQ(http::content_type_of("a/b.html"), "text/html; charset=utf-8");
  EXPECT_EQ(http::content_type_of("B.PNG"), "image/png");
  EXPECT_EQ(http::content_type_of("a.tar.gz"), "application/octet-stream");
  EXPECT_EQ(http::content_type_of("html"), "application/octet-stream");
  EXPECT_EQ(http::content_type_of(""), "application/octet-stream");
}

TEST(http_files, names_below_the_root) {
  EXPECT_EQ(http::name_below_root("/"), "");
  EXPECT_EQ(http::name_below_root("/a%20b/c"), "a b/c");
  EXPECT_EQ(http::name_below_root("/a/"), "a/");
  EXPECT_EQ(http::name_below_root("/..a/.b/c.."), "..a/.b/c..");
  for (const char* const bad : {"", "*", "a", "//", "//a", "/a//b", "/.", "/..", "/a/..", "/../a", "/%2e%2e/a",
                                "/a/%2e", "/..%2fa", "/a%2f..%2fb", "/%2fa", "/a%00", "/%00"}) {
    EXPECT_EQ(http::name_below_root(bad), std::nullopt) << bad;
  }
}

}  // namespace

#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/endpoint.hpp>

#include "base/random.hpp"
#include "net/address.hpp"
#include "support/descriptors.hpp"
#include "support/scale.hpp"

namespace sennit {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using family = endpoint::family;

struct accepted {
  std::string_view text;
  family kind;
  std::string_view host;
  std::uint16_t port;
  std::string_view prints = text;
};

const std::string label63(63, 'a');
const std::string name253 = label63 + '.' + label63 + '.' + label63 + '.' + label63.substr(2);
const std::string path107 = '/' + std::string(106, 'p');
const std::string text253 = name253 + ":1", text107 = "unix:" + path107;

const std::vector<accepted> good = {
    {"1.2.3.4:80", family::ipv4, "1.2.3.4", 80},
    {"0.0.0.0:0", family::ipv4, "0.0.0.0", 0},
    {"255.255.255.255:65535", family::ipv4, "255.255.255.255", 65535},
    {"[::1]:80", family::ipv6, "::1", 80},
    {"[::]:0", family::ipv6, "::", 0},
    {"[2001:DB8:0:0:0:0:0:1]:443", family::ipv6, "2001:db8::1", 443, "[2001:db8::1]:443"},
    {"[0001:0:0:2::3]:1", family::ipv6, "1:0:0:2::3", 1, "[1:0:0:2::3]:1"},
    {"[::ffff:1.2.3.4]:1", family::ipv6, "::ffff:1.2.3.4", 1},
    {"[::FFFF:102:304]:1", family::ipv6, "::ffff:1.2.3.4", 1, "[::ffff:1.2.3.4]:1"},
    {"[fe80::1%eth0]:22", family::ipv6, "fe80::1%eth0", 22},
    {"[FE80:0::1%7]:22", family::ipv6, "fe80::1%7", 22, "[fe80::1%7]:22"},
    {"[ff02::fb%wlan0.5]:5353", family::ipv6, "ff02::fb%wlan0.5", 5353},
    {"localhost:8080", family::name, "localhost", 8080},
    {"Example.COM:80", family::name, "Example.COM", 80},
    {"example.com.:80", family::name, "example.com.", 80},
    {"a:1", family::name, "a", 1},
    {"3com.com:1", family::name, "3com.com", 1},
    {"1.2.3.4.example:1", family::name, "1.2.3.4.example", 1},
    {"x--y.z9:1", family::name, "x--y.z9", 1},
    {"unix:80", family::name, "unix", 80},
    {text253, family::name, name253, 1},
    {"unix:/run/app.sock", family::unix_path, "/run/app.sock", 0},
    {"unix:/with:colon and [blank]", family::unix_path, "/with:colon and [blank]", 0},
    {"unix:@abstract", family::unix_path, "@abstract", 0},
    {"unix:@zero\0inside"sv, family::unix_path, "@zero\0inside"sv, 0},
    {text107, family::unix_path, path107, 0},
};

TEST(endpoint, parses_and_prints) {
  for (const auto& g : good) {
    SCOPED_TRACE(g.text);
    std::error_code ec = make_error_code(std::errc::io_error);
    const auto e = endpoint::parse(g.text, ec);
    EXPECT_FALSE(ec);
    EXPECT_EQ(e.kind(), g.kind);
    EXPECT_EQ(e.host(), g.host);
    EXPECT_EQ(e.port(), g.port);
    EXPECT_EQ(e.to_string(), g.prints);
    EXPECT_EQ(e, endpoint(g.text));
    EXPECT_EQ(e, endpoint(e.to_string())) << "printed and parsed again";
  }
}

struct refused {
  std::string_view text;
  std::size_t character;  // counted from 1
  std::string_view why;
};

const std::string label64 = label63 + "a:1";
const std::string name254 = name253 + "a:1";
const std::string path108 = text107 + 'p';
const std::string long_text(1000, 'x');

const std::vector<refused> bad = {
    {"", 1, "port is missing"},
    {"localhost", 10, "port is missing"},
    {"1.2.3.4", 8, "port is missing"},
    {long_text, 1001, "port is missing"},
    {":80", 1, "host is missing"},
    {"h:", 3, "port is missing"},
    {"h:-1", 3, "a port is a number"},
    {"h:+1", 3, "a port is a number"},
    {"h: 1", 3, "a port is a number"},
    {"h:1 ", 3, "a port is a number"},
    {"h:01", 3, "a port is a number"},
    {"h:00", 3, "a port is a number"},
    {"h:65536", 3, "from 0 to 65535"},
    {"h:99999999999999999999", 3, "from 0 to 65535"},
    {"h:0x50", 3, "a port is a number"},
    {"h:8O", 3, "a port is a number"},
    {"h:http", 3, "a port is a number"},
    {"h:80\n", 3, "a port is a number"},
    {"h:80\0"sv, 3, "a port is a number"},
    {"h:\xd9\xa1", 3, "a port is a number"},
    {"1.2.3:80", 6, "four numbers"},
    {"1.2.3.4.5:80", 9, "four numbers"},
    {"1.2.3.256:80", 7, "from 0 to 255"},
    {"256.2.3.4:80", 1, "from 0 to 255"},
    {"01.2.3.4:80", 1, "leading zeros"},
    {"1.2.3.04:80", 7, "leading zeros"},
    {"1..3.4:80", 3, "four numbers"},
    {"1.2.3.4.:80", 9, "four numbers"},
    {".1.2.3.4:80", 1, "four numbers"},
    {"127.1:80", 6, "four numbers"},
    {"2130706433:80", 1, "four numbers"},
    {"0x7f000001:80", 1, "four numbers"},
    {"127.0.0.0x1:80", 9, "four numbers"},
    {"a.1:80", 1, "four numbers"},
    {"0x:80", 1, "four numbers"},
    {"+1.2.3.4:80", 1, "four numbers"},
    {" 1.2.3.4:80", 1, "four numbers"},
    {"1.2.3.4 :80", 8, "letters, digits, hyphens"},
    {"::1:80", 2, "in brackets"},
    {"2001:db8::1", 9, "in brackets"},
    {"a:b:80", 4, "in brackets"},
    {"http://host:80", 12, "second colon"},
    {"[::1]", 6, "follow the bracket"},
    {"[::1]80", 6, "follow the bracket"},
    {"[::1]:", 7, "port is missing"},
    {"[::1]:x", 7, "a port is a number"},
    {"[::1", 5, "closing bracket"},
    {"[", 2, "closing bracket"},
    {"[]:80", 2, "not an IPv6 address"},
    {"[:]:80", 2, "not an IPv6 address"},
    {"[1.2.3.4]:80", 2, "not an IPv6 address"},
    {"[localhost]:80", 2, "hexadecimal digits"},
    {"[::g]:80", 4, "hexadecimal digits"},
    {"[ ::1]:80", 2, "hexadecimal digits"},
    {"[::1::2]:80", 2, "not an IPv6 address"},
    {"[1:2:3:4:5:6:7:8:9]:80", 2, "not an IPv6 address"},
    {"[12345::]:80", 2, "not an IPv6 address"},
    {"[::1.2.3.256]:80", 2, "not an IPv6 address"},
    {"[::1\0]:80"sv, 5, "hexadecimal digits"},
    {"[::1%eth0]:80", 5, "link-local"},
    {"[fe80::1%]:80", 10, "name or number of an interface"},
    {"[fe80::1%a b]:80", 11, "name or number of an interface"},
    {"[fe80::1%a/b]:80", 11, "name or number of an interface"},
    {"[fe80::1%a%b]:80", 11, "name or number of an interface"},
    {"[fe80::1%0123456789abcdef]:80", 10, "name or number of an interface"},
    {"under_score:80", 6, "letters, digits, hyphens"},
    {"b\xc3\xbc"
     "cher:80",
     2, "letters, digits, hyphens"},
    {"user@host:80", 5, "letters, digits, hyphens"},
    {"ho\0st:80"sv, 3, "letters, digits, hyphens"},
    {"*:80", 1, "letters, digits, hyphens"},
    {"-a:80", 1, "no hyphen"},
    {"a-:80", 2, "no hyphen"},
    {"a.-b.c:80", 3, "no hyphen"},
    {"a-.c:80", 2, "no hyphen"},
    {".:80", 1, "between its dots"},
    {"a..b:80", 3, "between its dots"},
    {".a:80", 1, "between its dots"},
    {"a..:80", 3, "between its dots"},
    {label64, 64, "63 characters"},
    {name254, 254, "253 characters"},
    {"unix:", 6, "begins with /"},
    {"unix:relative", 6, "begins with /"},
    {"unix:80x", 6, "begins with /"},
    {"unix:@", 7, "at least one character"},
    {"unix:/a\0b"sv, 8, "zero byte"},
    {path108, 113, "107 bytes"},
};

TEST(endpoint, refuses_and_says_what_is_wrong_and_where) {
  for (const auto& b : bad) {
    SCOPED_TRACE(b.text);
    std::error_code ec;
    EXPECT_EQ(endpoint::parse(b.text, ec), endpoint());
    EXPECT_EQ(ec, error::bad_endpoint);
    EXPECT_EQ(ec, std::errc::invalid_argument);
    try {
      const endpoint e(b.text);
      ADD_FAILURE() << "accepted as " << e.to_string();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), error::bad_endpoint);
      const std::string_view what = e.what();
      EXPECT_NE(what.find(b.why), what.npos) << what;
      EXPECT_NE(what.find("character " + std::to_string(b.character) + ":"), what.npos) << what;
      EXPECT_LT(what.size(), 400U) << what;
      EXPECT_TRUE(std::ranges::all_of(what, [](char c) { return c >= ' ' && c < 127; })) << what;
    }
  }
}

TEST(endpoint, quotes_the_text_in_its_message) {
  try {
    const endpoint e("a\nb:80");
    ADD_FAILURE();
  } catch (const std::system_error& e) {
    EXPECT_STREQ(e.what(),
                 "endpoint \"a\\x0ab:80\", character 2: a host name consists of letters, digits, hyphens and dots: "
                 "malformed endpoint");
  }
}

TEST(endpoint, is_made_of_host_and_port) {
  EXPECT_EQ(endpoint("1.2.3.4", 80), endpoint("1.2.3.4:80"));
  EXPECT_EQ(endpoint("0:0::1", 80), endpoint("[::1]:80"));
  EXPECT_EQ(endpoint("fe80::1%lo", 80), endpoint("[fe80::1%lo]:80"));
  EXPECT_EQ(endpoint("localhost", 80), endpoint("localhost:80"));
  for (const char* host : {"", "[::1]", "a:80", "1.2.3", "unix:/x", "a b"})
    EXPECT_THROW(endpoint(std::string_view(host), 80), std::system_error) << host;
}

TEST(endpoint, empty_one_prints_nothing) {
  EXPECT_EQ(endpoint().kind(), family::none);
  EXPECT_EQ(endpoint().to_string(), "");
  std::ostringstream out;
  out << endpoint("[::1]:7");
  EXPECT_EQ(out.str(), "[::1]:7");
}

std::string random_text(detail::random_source& random) {
  std::string text;
  const auto length = random.below(24);
  switch (random.below(3)) {
    case 0:  // anything
      for (std::uint32_t i = 0; i < length; ++i) text += static_cast<char>(random.below(256));
      break;
    case 1:  // what endpoints are made of
      for (std::uint32_t i = 0; i < length; ++i) text += "0123456789abcdefx.:-[]%/@unix "[random.below(30)];
      break;
    default:  // an endpoint with a few bytes changed
      text = good[random.below(static_cast<std::uint32_t>(good.size()))].text;
      for (auto changes = random.below(3); changes > 0; --changes)
        text[random.below(static_cast<std::uint32_t>(text.size()))] = static_cast<char>(random.below(256));
  }
  return text;
}

TEST(endpoint, survives_random_bytes_and_round_trips_what_it_accepts) {
  const std::uint64_t seed = 20240229;
  SCOPED_TRACE("seed " + std::to_string(seed));
  detail::random_source random(seed);
  std::size_t taken = 0;
  for (std::size_t i = 0, count = test::scaled(5'000'000); i < count; ++i) {
    const auto text = random_text(random);
    std::error_code ec;
    const auto e = endpoint::parse(text, ec);
    if (ec) {
      ASSERT_EQ(e, endpoint());
      continue;
    }
    ++taken;
    ASSERT_EQ(endpoint::parse(e.to_string(), ec), e) << text;
    ASSERT_FALSE(ec) << text;
    sockaddr_storage address{};
    socklen_t size = 0;
    if (endpoint_access::to_sockaddr(e, address, size)) continue;  // a name, or a zone that is not here
    ASSERT_LE(size, sizeof address);
    if (e.host().find('%') != std::string::npos) continue;  // printed with the interface's name
    ASSERT_EQ(endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(&address), size), e) << text;
  }
  EXPECT_GT(taken, 1000U);
}

TEST(address, round_trips_what_is_numeric) {
  for (const auto& g : good) {
    SCOPED_TRACE(g.text);
    if (g.host.find('%') != std::string_view::npos) continue;  // the zone has to exist: below
    sockaddr_storage address{};
    socklen_t size = 1;
    const auto ec = endpoint_access::to_sockaddr(endpoint(g.text), address, size);
    if (g.kind == family::name) {
      EXPECT_EQ(ec, std::errc::address_family_not_supported);
      EXPECT_EQ(size, 0U);
    } else {
      EXPECT_FALSE(ec) << ec.message();
      EXPECT_EQ(endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(&address), size), endpoint(g.text));
    }
  }
}

TEST(address, zones_are_interfaces) {
  sockaddr_storage address{};
  socklen_t size = 0;
  ASSERT_FALSE(endpoint_access::to_sockaddr("[fe80::1%lo]:80", address, size));
  EXPECT_EQ(endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(&address), size), "[fe80::1%lo]:80");
  ASSERT_FALSE(endpoint_access::to_sockaddr("[fe80::1%1]:80", address, size));
  EXPECT_EQ(endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(&address), size), "[fe80::1%lo]:80");
  ASSERT_FALSE(endpoint_access::to_sockaddr("[fe80::1%4000000000]:80", address, size));
  EXPECT_EQ(endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(&address), size), "[fe80::1%4000000000]:80");
  for (const char* const text : {"[fe80::1%no-such-if]:80", "[fe80::1%0]:80", "[fe80::1%99999999999]:80"})
    EXPECT_EQ(endpoint_access::to_sockaddr(text, address, size), std::errc::no_such_device) << text;
}

TEST(address, of_unix_sockets_as_the_kernel_gives_them) {
  const auto pair = test::unix_pair();
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::getsockname(pair.a.get(), raw, &size), 0);
  const auto unnamed = endpoint_access::from_sockaddr(raw, size);
  EXPECT_EQ(unnamed.kind(), family::unix_path);
  EXPECT_EQ(unnamed.host(), "");
  EXPECT_EQ(endpoint_access::to_sockaddr(unnamed, address, size), std::errc::destination_address_required);

  const endpoint abstract("unix:@sennit-test-" + std::to_string(::getpid()));
  const test::unique_fd listener = test::prepared(::socket(AF_UNIX, SOCK_STREAM, 0), "socket");
  ASSERT_FALSE(endpoint_access::to_sockaddr(abstract, address, size));
  test::checked(::bind(listener.get(), raw, size), "bind");
  size = sizeof address;
  ASSERT_EQ(::getsockname(listener.get(), raw, &size), 0);
  EXPECT_EQ(endpoint_access::from_sockaddr(raw, size), abstract);

  const auto too_long = endpoint_access::make(family::unix_path, std::string(108, '/'), 0);
  EXPECT_EQ(endpoint_access::to_sockaddr(too_long, address, size), std::errc::filename_too_long);
}

TEST(address, of_strange_origin_becomes_an_empty_endpoint) {
  sockaddr_storage address{};
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(endpoint_access::from_sockaddr(raw, 0), endpoint());
  EXPECT_EQ(endpoint_access::from_sockaddr(raw, sizeof address), endpoint());
  address.ss_family = AF_INET6;
  EXPECT_EQ(endpoint_access::from_sockaddr(raw, sizeof(sockaddr_in)), endpoint());
  address.ss_family = AF_INET;
  EXPECT_EQ(endpoint_access::from_sockaddr(raw, sizeof(sockaddr_in) - 1), endpoint());
  EXPECT_EQ(endpoint_access::from_sockaddr(raw, sizeof(sockaddr_in)), "0.0.0.0:0");
}

TEST(resolve, gives_the_addresses_of_a_name_with_the_port) {
  // A name to us; the resolver knows it without a hosts file (a bare machine has none) and without a server.
  std::vector<sockaddr_storage> found(3);
  ASSERT_FALSE(detail::resolve_blocking(endpoint_access::make(family::name, "0x7f000001", 4711), found));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(found.data()), detail::sockaddr_size(found[0])),
            endpoint("127.0.0.1:4711"));
}

TEST(resolve, passes_numbers_through) {
  for (const char* const text : {"1.2.3.4:80", "[2001:db8::1]:80"}) {
    std::vector<sockaddr_storage> found(3);
    ASSERT_FALSE(detail::resolve_blocking(text, found));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(
        endpoint_access::from_sockaddr(reinterpret_cast<sockaddr*>(found.data()), detail::sockaddr_size(found[0])),
        endpoint(text));
  }
}

TEST(resolve, says_why_not) {
  std::vector<sockaddr_storage> found(3);
  // No server is asked for a name that no question can hold.
  const auto ec = detail::resolve_blocking(endpoint_access::make(family::name, std::string(300, 'a'), 80), found);
  EXPECT_EQ(&ec.category(), &detail::getaddrinfo_category());
  EXPECT_STRNE(ec.message().c_str(), "");
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(detail::resolve_blocking("unix:/x", found), std::errc::address_family_not_supported);
  EXPECT_EQ(detail::resolve_blocking(endpoint(), found), std::errc::destination_address_required);

  const auto condition = [](int code) { return std::error_code(code, detail::getaddrinfo_category()); };
  EXPECT_EQ(condition(EAI_NONAME), std::errc::address_not_available);
  EXPECT_EQ(condition(EAI_AGAIN), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(condition(EAI_MEMORY), std::errc::not_enough_memory);
  EXPECT_EQ(condition(EAI_FAIL), std::errc::io_error);
  EXPECT_EQ(condition(EAI_NONAME).message(), ::gai_strerror(EAI_NONAME));
}

TEST(error_category, compares_with_errc) {
  EXPECT_EQ(make_error_code(error::deadline_passed), std::errc::timed_out);
  EXPECT_EQ(make_error_code(error::bad_endpoint), std::errc::invalid_argument);
  EXPECT_EQ(make_error_code(error::end_of_stream), std::errc::connection_aborted);
  EXPECT_NE(make_error_code(error::deadline_passed), make_error_code(std::errc::timed_out));
  EXPECT_STREQ(category().name(), "sennit");
  const std::error_code unknown(99, category());
  EXPECT_EQ(unknown.message(), "unknown sennit error 99");
  EXPECT_NE(unknown, std::errc::timed_out);
  EXPECT_NO_THROW(detail::throw_if({}, "x"));
  try {
    detail::throw_if(error::end_of_stream, "read_exact");
    ADD_FAILURE();
  } catch (const std::system_error& e) {
    EXPECT_STREQ(e.what(), "read_exact: end of stream before all bytes were read");
  }
}

}  // namespace
}  // namespace sennit

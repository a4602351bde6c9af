#include "resolver/domain_name.hpp"

#include <gtest/gtest.h>

#include <string>

#include <sennit/resolver.hpp>

namespace sennit::test {
namespace {

using detail::check_domain_name;

std::string labels(std::size_t each, std::size_t count) {
  std::string name;
  for (std::size_t i = 0; i < count; ++i) name += (i != 0 ? "." : "") + std::string(each, 'a');
  return name;
}

TEST(domain_name, what_can_be_asked_for) {
  for (const char* good :
       {"a", "example.org", "example.org.", "_sip._tcp.example.org", "xn--bcher-kva.example", "A-b.C"})
    EXPECT_FALSE(check_domain_name(good)) << good;
  EXPECT_FALSE(check_domain_name(labels(63, 3) + "." + std::string(61, 'b')));  // 253
}

TEST(domain_name, what_cannot) {
  for (const char* bad : {"", ".", "..", "a..b", ".a", "a b", "a\tb", "a\\.b",
                          "b\xc3\xbc"
                          "cher"})
    EXPECT_EQ(check_domain_name(bad), resolver_errc::bad_name) << bad;
  EXPECT_EQ(check_domain_name(std::string_view("a\0b", 3)), resolver_errc::bad_name);
  EXPECT_EQ(check_domain_name(std::string(64, 'a')), resolver_errc::name_too_long);
  EXPECT_EQ(check_domain_name(labels(63, 3) + "." + std::string(62, 'b')), resolver_errc::name_too_long);
  EXPECT_EQ(check_domain_name(std::string(100'000, 'a')), resolver_errc::name_too_long);
}

TEST(domain_name, numeric_ones_are_addresses_or_wrong) {
  std::error_code ec;
  EXPECT_EQ(detail::numeric_endpoint("1.2.3.4", 80, ec), endpoint("1.2.3.4:80"));
  EXPECT_EQ(detail::numeric_endpoint("::1", 80, ec), endpoint("[::1]:80"));
  EXPECT_FALSE(detail::numeric_endpoint("example.org", 80, ec) || ec);
  EXPECT_FALSE(detail::numeric_endpoint("4.example", 80, ec) || ec);
  for (const char* bad : {"1.2.3", "1.2.3.4.5", "0x7f000001", "1.2.3.256", "127.1", ":::", "1:2", "a:b"}) {
    EXPECT_FALSE(detail::numeric_endpoint(bad, 80, ec)) << bad;
    EXPECT_EQ(ec, resolver_errc::bad_name) << bad;
  }
}

TEST(domain_name, localhost) {
  EXPECT_TRUE(detail::is_localhost(detail::comparable("LocalHost.")));
  EXPECT_TRUE(detail::is_localhost("a.localhost"));
  EXPECT_FALSE(detail::is_localhost("localhost.example"));
  EXPECT_FALSE(detail::is_localhost("notlocalhost"));
}

}  // namespace
}  // namespace sennit::test

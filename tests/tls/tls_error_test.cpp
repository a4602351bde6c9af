// Codes, and OpenSSL's queue of errors, which belongs to the thread that several fibers share.
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <atomic>

#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class tls_error : public runtimes {};
INSTANTIATE_RUNTIMES(tls_error);

TEST(tls_codes, compare_with_conditions_and_have_texts) {
  const std::error_category& category = tls_category();
  EXPECT_STREQ(category.name(), "sennit.tls");
  for (int code = 1; code <= static_cast<int>(tls_errc::key_mismatch); ++code) {
    EXPECT_FALSE(category.message(code).empty());
    EXPECT_NE(category.default_error_condition(code), std::errc::protocol_error) << code;
  }
  const std::error_code wrong_version(static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_WRONG_VERSION_NUMBER)), category);
  EXPECT_EQ(wrong_version, std::errc::protocol_error);
  EXPECT_EQ(wrong_version.message(), "wrong version number");
  const std::error_code refused(static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_TLSV1_ALERT_UNKNOWN_CA)), category);
  EXPECT_EQ(refused, std::errc::permission_denied);
  EXPECT_EQ(refused.message(), "tlsv1 alert unknown ca");
  const std::error_code unknown(static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, 4000)), category);
  EXPECT_EQ(unknown, std::errc::protocol_error);
  EXPECT_NE(unknown.message().find("4000"), std::string::npos) << unknown.message();
}

TEST_P(tls_error, a_failure_of_one_fiber_is_not_the_next_ones) {
  // SSL_get_error() looks at the thread's queue: an entry that another fiber has left there would turn "wait for
  // input" into an error.
  run([] {
    const tls_context good{client_options()};
    const tls_context server{server_options()};
    const tls_context stranger(server_options(authority("a stranger").issue()));
    std::atomic<bool> over{false};
    std::atomic<std::size_t> failed{0};
    scope s;
    s.spawn([&] {
      while (!over) {
        tls_ends<unix_kind> e(good, stranger);
        const auto [c, v] = e.shake_hands();
        ASSERT_EQ(c, tls_errc::unknown_issuer) << c.message();
        ASSERT_EQ(v, std::errc::permission_denied) << v.message();
        ++failed;
      }
    });
    tls_ends<unix_kind> e(good, server);
    e.up();
    s.spawn([&] {
      bytes b(16);
      while (const std::size_t n = e.server.read_some(b)) {
        this_fiber::yield();
        e.server.write_all(std::span(b).first(n));
      }
    });
    for (std::size_t i = 0; i < scaled(3000) || failed < scaled(100); ++i) {
      e.client.write_all(bytes_of("echo"));
      ERR_raise(ERR_LIB_USER, 42);  // what the user's own calls leave is no error of a stream either
      ASSERT_EQ(read_text(e.client, 4), "echo");
    }
    over = true;
    e.client.shutdown_send();
    s.join();
  });
}

TEST_P(tls_error, nothing_is_left_in_the_queue) {
  run([] {
    const pin_guard here;  // the queue of this thread is looked at
    tls_ends<unix_kind> e{tls_context(client_options()), tls_context(server_options(authority::self_signed()))};
    std::error_code ec;
    scope s;
    s.spawn([&] {
      std::error_code refused;
      e.server.handshake_as_server(refused);
    });
    ERR_clear_error();
    e.client.handshake_as_client("localhost", ec);
    EXPECT_EQ(ec, tls_errc::self_signed);
    EXPECT_EQ(ERR_peek_error(), 0UL);
    s.join();
    EXPECT_EQ(code_of([] { static_cast<void>(tls_context({.ca_pem = "no"})); }), tls_errc::bad_pem);
    EXPECT_EQ(ERR_peek_error(), 0UL);
  });
}

}  // namespace
}  // namespace sennit::test

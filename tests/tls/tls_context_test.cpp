// What a tls_context is made of, and what it refuses.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

#include "support/files.hpp"
#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

class tls_context_of : public runtimes {
 protected:
  static std::error_code code(tls_context::options o) {
    o.system_trust = false;  // which takes its time to read
    return code_of([&] { static_cast<void>(tls_context(o)); });
  }
  static std::string text(const tls_context::options& o) {
    try {
      static_cast<void>(tls_context(o));
    } catch (const std::system_error& e) {
      return e.what();
    }
    return "";
  }
};
INSTANTIATE_RUNTIMES(tls_context_of);

TEST_P(tls_context_of, files) {
  run([] {
    const scratch_directory dir;
    put_file(dir / "ca.pem", test_authority().pem());
    put_file(dir / "chain.pem", test_identity().certificate);
    put_file(dir / "key.pem", test_identity().key);
    put_file(dir / "locked.pem", authority::encrypted(test_identity().key, "open sesame"));
    auto server = patient({.certificate_file = dir / "chain.pem", .key_file = dir / "key.pem"});
    const auto client = patient({.system_trust = false, .ca_file = dir / "ca.pem"});
    tls_ends<tcp_kind> e{tls_context(client), tls_context(server)};
    greet(e.up());
    server.key_file = dir / "locked.pem";
    EXPECT_EQ(code(server), tls_errc::bad_pem) << "nobody is asked for a password";
    server.key_password = "wrong";
    EXPECT_EQ(code(server), tls_errc::bad_pem);
    server.key_password = "open sesame";
    tls_ends<tcp_kind> locked{tls_context(client), tls_context(server)};
    greet(locked.up());
  });
}

TEST_P(tls_context_of, files_that_are_missing_or_bad_are_named) {
  run([] {
    const scratch_directory dir;
    tls_context::options o{.ca_file = dir / "nothing.pem"};
    EXPECT_EQ(code(o), std::errc::no_such_file_or_directory);
    EXPECT_NE(text(o).find("nothing.pem"), std::string::npos) << text(o);
    o.ca_file = dir.path();
    EXPECT_EQ(code(o), std::errc::is_a_directory);
    put_file(dir / "empty.pem", "");
    o.ca_file = dir / "empty.pem";
    EXPECT_EQ(code(o), tls_errc::bad_pem);
    EXPECT_NE(text(o).find("empty.pem"), std::string::npos) << text(o);
  });
}

TEST_P(tls_context_of, pem_that_is_none) {
  run([] {
    const std::string good = test_authority().pem();
    for (std::size_t cut = 0; cut + 2 < good.size(); cut += 37) {
      const tls_context::options cut_off{.system_trust = false, .ca_pem = good + good.substr(0, cut)};
      // Cut before its first line is whole, it is text beside the certificate, which PEM allows.
      const bool begun = cut > good.find('\n');
      EXPECT_EQ(code(cut_off), begun ? make_error_code(tls_errc::bad_pem) : std::error_code()) << cut;
    }
    std::string damaged = good;
    damaged[100] = damaged[100] == 'A' ? 'B' : 'A';
    damaged[40] = '!';
    EXPECT_EQ(code({.ca_pem = damaged}), tls_errc::bad_pem);
    EXPECT_EQ(code({.ca_pem = "not PEM"}), tls_errc::bad_pem);
    EXPECT_EQ(code({.certificate_pem = test_identity().key, .key_pem = test_identity().key}), tls_errc::bad_pem);
    EXPECT_EQ(code({.certificate_pem = test_identity().certificate, .key_pem = test_identity().certificate}),
              tls_errc::bad_pem);
    EXPECT_EQ(code({.certificate_pem = test_identity().certificate, .key_pem = test_identity().key.substr(0, 100)}),
              tls_errc::bad_pem);
    EXPECT_EQ(make_error_code(tls_errc::bad_pem), std::errc::invalid_argument);
  });
}

TEST_P(tls_context_of, options_without_sense) {
  run([] {
    EXPECT_EQ(code({.certificate_pem = test_identity().certificate, .key_pem = authority::self_signed().key}),
              tls_errc::key_mismatch);
    EXPECT_EQ(code({.certificate_pem = test_identity().certificate}), std::errc::invalid_argument);
    EXPECT_EQ(code({.key_pem = test_identity().key}), std::errc::invalid_argument);
    EXPECT_EQ(code({.certificate_file = "x", .certificate_pem = "x"}), std::errc::invalid_argument);
    EXPECT_EQ(code({.client_certificate = client_certificates::required}), std::errc::invalid_argument)
        << "nobody to trust";
    EXPECT_EQ(code({.alpn = {""}}), std::errc::invalid_argument);
    EXPECT_EQ(code({.alpn = {std::string(256, 'x')}}), std::errc::invalid_argument);
    EXPECT_EQ(code({.min_version = tls_version::tls_1_3, .max_version = tls_version::tls_1_2}),
              std::errc::invalid_argument);
    tls_ends<tcp_kind> no_certificate{tls_context(client_options()), tls_context(tls_context::options{})};
    std::error_code ec;
    no_certificate.server.handshake_as_server(ec);
    EXPECT_EQ(ec, std::errc::invalid_argument);
  });
}

TEST_P(tls_context_of, the_system_trusts_who_is_in_its_file) {
  const scratch_directory dir;
  put_file(dir / "system.pem", test_authority().pem());
  ::setenv("SSL_CERT_FILE", (dir / "system.pem").c_str(), 1);
  run([] {
    tls_ends<tcp_kind> e{tls_context(patient())};
    greet(e.up());
    auto own = patient();
    own.system_trust = false;
    tls_ends<tcp_kind> without{tls_context(own)};
    EXPECT_EQ(without.shake_hands().first, tls_errc::unknown_issuer);
    // Who the system trusts is no client of ours.
    const auto known = test_authority().issue();
    auto client = client_options();
    client.certificate_pem = known.certificate;
    client.key_pem = known.key;
    auto server = server_options();
    server.system_trust = true;
    server.ca_pem = authority("for clients").pem();
    server.client_certificate = client_certificates::required;
    tls_ends<tcp_kind> guarded{tls_context(client), tls_context(server)};
    EXPECT_EQ(guarded.shake_hands().second, tls_errc::unknown_issuer);
  });
  ::unsetenv("SSL_CERT_FILE");
}

TEST_P(tls_context_of, one_context_serves_many_connections_at_once) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const std::size_t count = std::min<std::size_t>(scaled(2000), (limit.rlim_cur - 200) / 2);
  run([count] {
    const tls_context client{client_options()};
    const tls_context server{server_options()};
    latch all(static_cast<std::ptrdiff_t>(count));
    scope s;
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&] {
        tls_ends<unix_kind> e(client, server);
        greet(e.up());
        all.arrive_and_wait();
        greet(e);
      });
    }
    s.join();
  });
}

}  // namespace
}  // namespace sennit::test

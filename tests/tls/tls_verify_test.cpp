// Whom to believe: certificates that are good, and each way in which they are not.
#include <gtest/gtest.h>

#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

class tls_verify : public runtimes {
 protected:
  /// What a client that trusts the tests' authority says to a server that shows `shown`, and what that one hears.
  static std::pair<std::error_code, std::error_code> codes(const identity& shown, const std::string& host) {
    tls_ends<tcp_kind> e{tls_context(client_options()), tls_context(server_options(shown))};
    return e.shake_hands(host);
  }
  /// The text of what the throwing form throws.
  static std::string text(const identity& shown, const std::string& host) {
    tls_ends<tcp_kind> e{tls_context(client_options()), tls_context(server_options(shown))};
    scope s;
    s.spawn([&] {
      std::error_code refused;
      e.server.handshake_as_server(refused);
    });
    std::string what;
    try {
      e.client.handshake_as_client(host);
    } catch (const std::system_error& error) {
      what = error.what();
    }
    e.client.close();
    s.join();
    return what;
  }
};
INSTANTIATE_RUNTIMES(tls_verify);

TEST_P(tls_verify, names_and_addresses) {
  run([] {
    for (const char* host :
         {"localhost", "example.test", "EXAMPLE.test", "example.test.", "a.wild.test", "127.0.0.1", "::1", "[::1]"}) {
      const auto [c, s] = codes(test_identity(), host);
      EXPECT_FALSE(c) << host << ": " << c.message();
      EXPECT_FALSE(s) << host << ": " << s.message();
    }
    for (const char* host : {"other.test", "wild.test", "a.b.wild.test", "127.0.0.2", "::2", "localhost.test"}) {
      EXPECT_EQ(codes(test_identity(), host).first, tls_errc::wrong_host) << host;
    }
    // A name is no address, and an address no name.
    const auto named = test_authority().issue({.names = "DNS:127.0.0.1"});
    EXPECT_EQ(codes(named, "127.0.0.1").first, tls_errc::wrong_host);
    const auto untyped = test_authority().issue({.subject = "localhost", .names = ""});
    EXPECT_EQ(codes(untyped, "localhost").first, tls_errc::wrong_host) << "a subject is neither (RFC 9525)";
  });
}

TEST_P(tls_verify, hosts_that_are_none) {
  run([] {
    for (const std::string& host :
         {std::string(), std::string("."), std::string(".wild.test"), std::string(300, 'x'), std::string("a\0b", 3)}) {
      tls_ends<tcp_kind> e;
      std::error_code ec;
      e.client.handshake_as_client(host, ec);
      EXPECT_EQ(ec, std::errc::invalid_argument);
      e.up();  // nothing has happened yet
    }
  });
}

TEST_P(tls_verify, each_reason_has_its_code) {
  run([] {
    const struct {
      identity shown;
      tls_errc expected;
      const char* text;
    } cases[] = {
        {test_authority().issue({.begins = -7200, .ends = -3600}), tls_errc::certificate_expired, "has expired"},
        {test_authority().issue({.begins = 3600, .ends = 7200}), tls_errc::certificate_not_yet_valid, "not valid yet"},
        {test_authority().issue({.names = "DNS:elsewhere.test"}), tls_errc::wrong_host, "for another host"},
        {authority::self_signed(), tls_errc::self_signed, "self-signed"},
        {authority("a stranger").issue(), tls_errc::unknown_issuer, "unknown issuer"},
    };
    for (const auto& c : cases) {
      const auto [client, server] = codes(c.shown, "localhost");
      EXPECT_EQ(client, c.expected) << client.message();
      EXPECT_EQ(client, std::errc::permission_denied);
      EXPECT_EQ(server, std::errc::permission_denied) << "the alert says so: " << server.message();
      const std::string what = text(c.shown, "localhost");
      EXPECT_NE(what.find(c.text), std::string::npos) << what;
      EXPECT_NE(what.find("handshake, host localhost (127.0.0.1:"), std::string::npos) << what;
    }
  });
}

TEST_P(tls_verify, an_issuer_that_may_not_issue) {
  run([] {
    // A leaf that signs another leaf: the classic forgery.
    const identity leaf = test_authority().issue();
    const identity forged = authority::self_signed({.names = "DNS:localhost"});
    const identity shown{forged.certificate + leaf.certificate, forged.key};
    EXPECT_EQ(codes(shown, "localhost").first, std::errc::permission_denied);
  });
}

TEST_P(tls_verify, chains) {
  run([] {
    const authority middle("middle", test_authority());
    const identity leaf = middle.issue();
    EXPECT_EQ(codes(leaf, "localhost").first, tls_errc::unknown_issuer) << "a link is missing";
    const identity whole{leaf.certificate + middle.pem(), leaf.key};
    const auto [c, s] = codes(whole, "localhost");
    EXPECT_FALSE(c) << c.message();
    EXPECT_FALSE(s) << s.message();
    const authority stranger("stranger");
    const authority below("below", stranger);
    const identity foreign = below.issue();
    EXPECT_EQ(codes({foreign.certificate + below.pem() + stranger.pem(), foreign.key}, "localhost").first,
              tls_errc::unknown_issuer)
        << "a root of its own makes nobody trust it";
  });
}

TEST_P(tls_verify, verification_is_on_unless_it_is_turned_off) {
  run([] {
    // Nothing set but the defaults: the system does not know the tests' authority.
    tls_ends<tcp_kind> strict{tls_context(patient())};
    EXPECT_EQ(strict.shake_hands().first, tls_errc::unknown_issuer);
    auto lax = patient();
    lax.verify_peer = false;
    tls_ends<tcp_kind> blind{tls_context(lax), tls_context(server_options(authority::self_signed()))};
    blind.up("");
    greet(blind);
    EXPECT_EQ(blind.server.server_name(), "");
  });
}

TEST_P(tls_verify, clients) {
  run([] {
    const auto stranger = authority("a stranger").issue();
    const auto known = test_authority().issue({.subject = "a client", .names = ""});
    const auto expired = test_authority().issue({.begins = -7200, .ends = -3600});
    for (const auto asked : {client_certificates::none, client_certificates::optional, client_certificates::required}) {
      const auto codes_of = [&](const identity* shown) {
        auto server = server_options();
        server.ca_pem = test_authority().pem();
        server.client_certificate = asked;
        auto client = client_options();
        if (shown != nullptr) {
          client.certificate_pem = shown->certificate;
          client.key_pem = shown->key;
        }
        tls_ends<tcp_kind> e{tls_context(client), tls_context(server)};
        auto codes = e.shake_hands();
        bytes b(1);
        // In TLS 1.3 a client hears what became of its certificate when it reads.
        if (codes.second && !codes.first) e.client.read_some(b, codes.first);
        if (!codes.second) {
          EXPECT_EQ(e.server.peer_certificate().has_value(), shown != nullptr && asked != client_certificates::none);
        }
        return codes;
      };
      const bool asks = asked != client_certificates::none;
      EXPECT_FALSE(codes_of(&known).second);
      EXPECT_EQ(codes_of(&stranger).second, asks ? make_error_code(tls_errc::unknown_issuer) : std::error_code());
      EXPECT_EQ(codes_of(&expired).second, asks ? make_error_code(tls_errc::certificate_expired) : std::error_code());
      const auto [client, server] = codes_of(nullptr);
      const bool required = asked == client_certificates::required;
      EXPECT_EQ(server, required ? make_error_code(tls_errc::no_certificate) : std::error_code());
      if (required) {
        EXPECT_EQ(client, std::errc::permission_denied) << client.message();
      }
    }
  });
}

TEST_P(tls_verify, what_a_certificate_says) {
  run([] {
    tls_ends<tcp_kind> e;
    EXPECT_FALSE(e.client.peer_certificate());
    e.up();
    const auto c = e.client.peer_certificate();
    ASSERT_TRUE(c);
    EXPECT_EQ(c->subject, "CN=a test");
    EXPECT_EQ(c->issuer, "CN=test authority");
    EXPECT_EQ(c->names, (std::vector<std::string>{"localhost", "example.test", "*.wild.test", "127.0.0.1", "::1"}));
    EXPECT_EQ(c->pem, test_identity().certificate);
    EXPECT_EQ(c->sha256.size(), 64U);
    EXPECT_FALSE(c->serial.empty());
    const auto now = std::chrono::system_clock::now();
    EXPECT_LT(c->begins, now);
    EXPECT_GT(c->begins, now - std::chrono::hours(2));
    EXPECT_GT(c->ends, now);
    EXPECT_LT(c->ends, now + std::chrono::hours(2));
    EXPECT_FALSE(e.server.peer_certificate());
  });
}

}  // namespace
}  // namespace sennit::test

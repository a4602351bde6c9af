// What the two sides agree on: versions, protocols, names, sessions; and those who do not play by the rules.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>

#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

template <class Kind>
class tls_handshake : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind>;
TYPED_TEST_SUITE(tls_handshake, kinds);

TYPED_TEST(tls_handshake, versions) {
  with_runtimes([] {
    auto old = client_options();
    old.max_version = tls_version::tls_1_2;
    auto modern = server_options();
    modern.min_version = tls_version::tls_1_3;

    tls_ends<TypeParam> newest;
    newest.up();
    EXPECT_EQ(newest.client.version(), tls_version::tls_1_3);
    EXPECT_EQ(newest.server.version(), tls_version::tls_1_3);
    EXPECT_FALSE(newest.client.cipher().empty());
    EXPECT_EQ(newest.client.cipher(), newest.server.cipher());

    tls_ends<TypeParam> lower{tls_context(old)};
    lower.up();
    EXPECT_EQ(lower.server.version(), tls_version::tls_1_2);
    greet(lower);

    tls_ends<TypeParam> none{tls_context(old), tls_context(modern)};
    const auto [c, s] = none.shake_hands();
    EXPECT_EQ(c, std::errc::protocol_error) << c.message();
    EXPECT_EQ(s, std::errc::protocol_error) << s.message();
    std::error_code again;
    none.client.write_some(bytes_of("x"), again);
    EXPECT_EQ(again, c) << "a failed handshake stays";
  });
}

TYPED_TEST(tls_handshake, alpn) {
  with_runtimes([] {
    const auto agreed = [](std::vector<std::string> client, std::vector<std::string> server) {
      auto c = client_options();
      c.alpn = std::move(client);
      auto s = server_options();
      s.alpn = std::move(server);
      tls_ends<TypeParam> e{tls_context(c), tls_context(s)};
      e.up();
      EXPECT_EQ(e.client.alpn(), e.server.alpn());
      return e.client.alpn();
    };
    EXPECT_EQ(agreed({"http/1.1", "h2"}, {"h2", "http/1.1"}), "h2") << "the server's order";
    EXPECT_EQ(agreed({"http/1.1"}, {"h2", "http/1.1"}), "http/1.1");
    EXPECT_EQ(agreed({}, {"h2"}), "");
    EXPECT_EQ(agreed({"h2"}, {}), "");
    EXPECT_EQ(code_of([&] { agreed({"x"}, {"y"}); }), std::errc::protocol_error);
  });
}

TYPED_TEST(tls_handshake, the_name_chooses_a_context) {
  with_runtimes([] {
    const tls_context one(server_options(test_authority().issue({.subject = "one", .names = "DNS:one.test"})));
    const auto client_of_two = test_authority().issue({.subject = "client of two"});
    auto strict = server_options(test_authority().issue({.subject = "two", .names = "DNS:two.test"}));
    strict.client_certificate = client_certificates::required;
    strict.ca_pem = test_authority().pem();
    strict.alpn = {"strict"};
    const tls_context two(strict);
    std::atomic<int> asked{0};
    auto all = patient();
    all.select_context = [&](std::string_view name) -> tls_context {
      ++asked;
      this_fiber::sleep_for(1us);  // it may wait
      if (name == "one.test") return one;
      if (name == "two.test") return two;
      if (name == "broken.test") throw std::system_error(std::make_error_code(std::errc::io_error), "no disk");
      if (name == "odd.test") throw std::runtime_error("odd");
      return {};
    };
    const tls_context server(all);

    tls_ends<TypeParam> first{tls_context(client_options()), server};
    first.up("one.test");
    EXPECT_EQ(first.client.peer_certificate()->subject, "CN=one");
    EXPECT_EQ(first.server.server_name(), "one.test");
    EXPECT_EQ(first.client.server_name(), "one.test");
    greet(first);

    auto with_certificate = client_options();
    with_certificate.certificate_pem = client_of_two.certificate;
    with_certificate.key_pem = client_of_two.key;
    with_certificate.alpn = {"lax", "strict"};
    tls_ends<TypeParam> second{tls_context(with_certificate), server};
    second.up("two.test");
    EXPECT_EQ(second.client.peer_certificate()->subject, "CN=two");
    EXPECT_EQ(second.server.peer_certificate()->subject, "CN=client of two") << "it asks as the chosen context does";
    EXPECT_EQ(second.server.alpn(), "strict");
    greet(second);
    tls_ends<TypeParam> without{tls_context(client_options()), server};
    EXPECT_EQ(without.shake_hands("two.test").second, tls_errc::no_certificate);

    tls_ends<TypeParam> unknown{tls_context(client_options()), server};
    const auto [c, s] = unknown.shake_hands("three.test");
    EXPECT_EQ(s, tls_errc::unknown_name);
    EXPECT_EQ(s, std::errc::address_not_available);
    EXPECT_EQ(c, std::errc::protocol_error);
    EXPECT_NE(c.message().find("unrecognized name"), std::string::npos) << c.message();

    tls_ends<TypeParam> broken{tls_context(client_options()), server};
    scope fails;
    fails.spawn([&] {
      std::error_code ec;
      broken.server.handshake_as_server(ec);
      EXPECT_EQ(ec, std::errc::io_error);
      broken.server.close();
    });
    std::error_code ec;
    broken.client.handshake_as_client("broken.test", ec);
    EXPECT_TRUE(ec == tls_errc::truncated || ec == std::errc::connection_reset) << ec.message();
    fails.join();

    tls_ends<TypeParam> odd{tls_context(client_options()), server};
    scope throws;
    throws.spawn([&] {
      EXPECT_THROW(odd.server.handshake_as_server(), std::runtime_error);
      odd.server.close();
    });
    odd.client.handshake_as_client("odd.test", ec);
    EXPECT_TRUE(ec);
    throws.join();
    EXPECT_EQ(asked, 6);
  });
}

/// Connects twice, the second time with what the first one got; whether that was resumed on both sides.
template <class Kind>
bool resumes(const tls_context& client, const tls_context& server, const tls_context& server_of_second,
             const std::string& host_of_second = "localhost") {
  tls_session session;
  {
    tls_ends<Kind> e(client, server);
    e.up();
    EXPECT_FALSE(e.client.resumed());
    greet(e);
    session = e.client.session();
    EXPECT_TRUE(session || !server);
  }  // without close_notify: that must not spoil it
  tls_ends<Kind> e(client, server_of_second);
  e.client.set_session(session);
  e.up(host_of_second);
  greet(e);
  EXPECT_EQ(e.client.resumed(), e.server.resumed());
  EXPECT_EQ(e.client.peer_certificate()->subject, "CN=a test");
  EXPECT_EQ(e.server.server_name(), host_of_second);
  return e.client.resumed();
}

TYPED_TEST(tls_handshake, sessions_are_resumed) {
  with_runtimes([] {
    for (const tls_version v : {tls_version::tls_1_2, tls_version::tls_1_3}) {
      auto c = client_options();
      c.max_version = v;
      const tls_context client(c);
      const tls_context server(server_options());
      EXPECT_TRUE(resumes<TypeParam>(client, server, server));
      EXPECT_FALSE(resumes<TypeParam>(client, server, tls_context(server_options()))) << "that is another server";
      EXPECT_FALSE(resumes<TypeParam>(client, server, server, "example.test")) << "and that another host";

      tls_context chosen = server;
      auto options = patient();
      options.select_context = [&](std::string_view) { return chosen; };
      const tls_context by_name(options);
      EXPECT_TRUE(resumes<TypeParam>(client, by_name, by_name));
      tls_ends<TypeParam> before(client, by_name);
      greet(before.up());
      chosen = tls_context(server_options());
      tls_ends<TypeParam> after(client, by_name);
      after.client.set_session(before.client.session());
      greet(after.up());
      EXPECT_FALSE(after.client.resumed()) << "it was made under a context that may ask less of its clients";
    }
  });
}

TYPED_TEST(tls_handshake, sessions_of_a_cache) {
  with_runtimes([] {
    for (const tls_version v : {tls_version::tls_1_2, tls_version::tls_1_3}) {
      auto c = client_options();
      c.max_version = v;
      const tls_context client(c);
      auto options = server_options();
      options.tickets = false;
      const tls_context server(options);
      tls_session session;
      {
        tls_ends<TypeParam> e(client, server);
        e.up();
        greet(e);
        session = e.client.session();
        scope s;  // ended well, or the cache forgets it
        s.spawn([&] { e.server.shutdown(); });
        e.client.shutdown();
        s.join();
      }
      tls_ends<TypeParam> e(client, server);
      e.client.set_session(session);
      e.up();
      EXPECT_TRUE(e.client.resumed());

      options.session_cache = 0;
      tls_ends<TypeParam> none{client, tls_context(options)};
      none.up();
      greet(none);
      EXPECT_FALSE(none.client.session()) << "no tickets, no cache: nothing to resume";
      EXPECT_FALSE(none.server.session());
    }
  });
}

TYPED_TEST(tls_handshake, a_session_that_was_not_verified_does_not_stand_in_for_verification) {
  with_runtimes([] {
    const tls_context server(server_options(authority::self_signed()));
    tls_session session;
    {
      auto blind = client_options();
      blind.verify_peer = false;
      tls_ends<TypeParam> e{tls_context(blind), server};
      e.up();
      greet(e);
      session = e.client.session();
      ASSERT_TRUE(session);
    }
    tls_ends<TypeParam> e{tls_context(client_options()), server};
    e.client.set_session(session);
    EXPECT_EQ(e.shake_hands().first, tls_errc::self_signed);
  });
}

TYPED_TEST(tls_handshake, garbage_instead_of_tls) {
  with_runtimes([] {
    for (const std::string& garbage :
         {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(5, '\0'), std::string(100'000, '\xff'),
          std::string("\x16\x03\x01\xff\xff", 5) + "x", std::string("\x15\x03\x03\x00\x02\x02\x28", 7)}) {
      for (const bool server : {false, true}) {
        auto raw = TypeParam::connected();
        scope s;
        s.spawn([&] {
          std::error_code ec;
          raw.writer.write_all(bytes_of(garbage), ec);
          raw.writer.shutdown_send(ec);
          bytes b(4096);
          while (raw.writer.read_some(b, ec) > 0) {}
        });
        tls_stream stream(std::move(raw.reader), tls_context(server ? server_options() : client_options()));
        std::error_code ec;
        if (server) {
          stream.handshake_as_server(ec);
        } else {
          stream.handshake_as_client("localhost", ec);
        }
        EXPECT_TRUE(ec == std::errc::protocol_error || ec == tls_errc::truncated) << ec.message();
        stream.close();
        s.join();
      }
    }
  });
}

TYPED_TEST(tls_handshake, garbage_after_the_handshake) {
  with_runtimes([] {
    for (const tls_version v : {tls_version::tls_1_2, tls_version::tls_1_3}) {
      auto options = client_options();
      options.max_version = v;
      tls_ends<TypeParam> e{tls_context(options)};
      e.up();
      greet(e);
      std::string record("\x17\x03\x03\x00\x40", 5);
      e.client.next_layer().write_all(bytes_of(record + std::string(64, 'x')));
      bytes b(8);
      std::error_code ec;
      EXPECT_EQ(e.server.read_some(b, ec), 0U);
      EXPECT_EQ(ec, std::errc::protocol_error) << ec.message();
      std::error_code again;
      e.server.write_some(b, again);
      EXPECT_EQ(again, ec) << "it is over in both directions";
      e.client.read_some(b, ec);
      EXPECT_EQ(ec, std::errc::protocol_error) << "the alert tells the other side: " << ec.message();
    }
  });
}

TYPED_TEST(tls_handshake, a_peer_that_stalls) {
  with_runtimes([] {
    for (const bool server : {false, true}) {
      auto raw = TypeParam::connected();
      auto options = server ? server_options() : client_options();
      options.handshake_timeout = 1ms;
      tls_stream stream(std::move(raw.reader), tls_context(options));
      stream.expires_after(1h);
      const auto shake = [&](std::error_code& ec, const stop_token& stop = {}) {
        server ? stream.handshake_as_server(ec, stop) : stream.handshake_as_client("localhost", ec, stop);
      };
      std::error_code ec;
      shake(ec);
      EXPECT_EQ(ec, error::deadline_passed);
      bytes b(4);
      stream.read_some(b, ec);
      EXPECT_EQ(ec, error::deadline_passed) << "the handshake has failed for good";

      options.handshake_timeout = std::chrono::nanoseconds::max();
      auto other = TypeParam::connected();
      stream = tls_stream(std::move(other.reader), tls_context(options));
      stream.expires_after(0s);  // the stream's own counts too
      shake(ec);
      EXPECT_EQ(ec, error::deadline_passed);

      auto third = TypeParam::connected();
      stream = tls_stream(std::move(third.reader), tls_context(options));
      stop_source source;
      park_probe waiting;
      scope s;
      s.spawn([&] {
        std::error_code stopped;
        waiting.here();
        shake(stopped, source.get_token());
        EXPECT_EQ(stopped, std::errc::operation_canceled);
      });
      waiting.await_parked();
      source.request_stop();
      s.join();

      auto fourth = TypeParam::connected();
      stream = tls_stream(std::move(fourth.reader), tls_context(options));
      park_probe inside;
      s.spawn([&] {
        std::error_code closed;
        inside.here();
        shake(closed);
        EXPECT_EQ(closed, std::errc::bad_file_descriptor);
      });
      inside.await_parked();
      std::error_code busy;
      stream.read_some(b, busy);
      EXPECT_EQ(busy, std::errc::not_connected);
      stream.handshake_as_server(busy);
      EXPECT_EQ(busy, std::errc::already_connected);
      if (server) {
        stream.close();
      } else {
        std::thread([&] { stream.close(); }).join();
      }
      s.join();
    }
  });
}

TYPED_TEST(tls_handshake, cut_off_anywhere) {
  with_runtimes([] {
    const tls_context client{client_options()};
    const tls_context server{server_options()};
    const std::size_t longest = 2000;  // more than there is
    for (std::size_t limit = 0; limit < longest; limit += longest / scaled(longest / 2)) {
      auto a = TypeParam::connected();
      auto b = TypeParam::connected();
      tls_stream c(std::move(a.writer), client);
      tls_stream s(std::move(b.reader), server);
      scope all;
      all.spawn([&] {
        std::error_code ec;
        s.handshake_as_server(ec);
        s.close();
      });
      all.spawn([&] {  // the server's answer, up to `limit` bytes of it
        bytes buffer(100);
        std::size_t left = limit;
        std::error_code ec;
        while (left > 0) {
          const std::size_t n = b.writer.read_some(std::span(buffer).first(std::min(left, buffer.size())), ec);
          if (n == 0) break;
          a.reader.write_all(std::span(buffer).first(n), ec);
          left -= n;
        }
        a.reader.shutdown_send(ec);
        b.writer.shutdown_send(ec);
      });
      all.spawn([&] {
        bytes buffer(1000);
        std::error_code ec;
        while (const std::size_t n = a.reader.read_some(buffer, ec)) b.writer.write_all(std::span(buffer).first(n), ec);
      });
      std::error_code ec;
      c.handshake_as_client("localhost", ec);
      EXPECT_TRUE(!ec || ec == tls_errc::truncated) << limit << ": " << ec.message();
      c.close();
      all.join();
    }
  });
}

}  // namespace
}  // namespace sennit::test

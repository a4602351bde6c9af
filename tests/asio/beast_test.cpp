// Boost.Beast over asio_stream: HTTP and WebSocket in blocking style, client and server as fibers.
#include <gtest/gtest.h>

#include <sennit/asio.hpp>

// clang-format off: after sennit/asio.hpp
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
// clang-format on

#include <string>

#include <sennit/sennit.hpp>

#include "asio/kinds.hpp"
#include "support/process_counts.hpp"

#if SENNIT_TSAN
/// Beast makes masks with a generator for each thread, which the fibers of a worker share in turn: TSan takes them for
/// threads of their own (docs/caveats.md).
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:beast/websocket/detail/prng.ipp\n"; }
#endif

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

template <class Kind>
class beast_over : public ::testing::Test {
 public:
  using stream = decltype(Kind::connected().writer);
  using ws = websocket::stream<asio_stream<stream>>;

  static std::string text(const beast::flat_buffer& b) { return beast::buffers_to_string(b.data()); }

  /// Sends back what comes until the client closes.
  static void echo(stream connection) {
    ws server(std::move(connection));
    server.accept();
    for (;;) {
      beast::flat_buffer message;
      beast::error_code ec;
      server.read(message, ec);
      if (ec == websocket::error::closed) return;
      ASSERT_FALSE(ec) << ec.message();
      server.text(server.got_text());
      server.write(message.data());
    }
  }
};
using kinds = asio_kinds<>;
TYPED_TEST_SUITE(beast_over, kinds);

TYPED_TEST(beast_over, http_requests_and_responses) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    const std::size_t large = scaled(3'000'000);
    scope s;
    s.spawn([&] {
      asio_stream server(std::move(p.reader));
      beast::flat_buffer buffer;
      for (;;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(4'000'000);
        beast::error_code ec;
        http::read(server, buffer, parser, ec);
        if (ec == http::error::end_of_stream) break;
        ASSERT_FALSE(ec) << ec.message();
        http::response<http::string_body> answer(http::status::ok, 11);
        answer.keep_alive(parser.get().keep_alive());
        answer.set(http::field::content_type, "text/plain");
        answer.body() = std::string(parser.get().target()) + " " + parser.get().body();
        answer.chunked(parser.get().target() == "/chunked");
        answer.prepare_payload();
        if (parser.get().target() == "/chunked") {
          answer.erase(http::field::content_length);
          answer.chunked(true);
        }
        http::write(server, answer);
      }
      server.next_layer().shutdown_send();
    });

    asio_stream client(std::move(p.writer));
    beast::flat_buffer buffer;
    for (const auto& [target, size] : {std::pair<std::string, std::size_t>{"/", 0},
                                       {"/small", 10},
                                       {"/large", large},
                                       {"/chunked", 100'000},
                                       {"/last", 1}}) {
      http::request<http::string_body> question(http::verb::post, target, 11);
      question.set(http::field::host, "localhost");
      question.body() = std::string(size, 'b');
      question.prepare_payload();
      http::write(client, question);
      http::response<http::string_body> answer;
      http::read(client, buffer, answer);
      EXPECT_EQ(answer.result(), http::status::ok);
      EXPECT_EQ(answer.body(), target + " " + question.body());
      EXPECT_EQ(answer.chunked(), target == "/chunked");
    }
    client.next_layer().shutdown_send();
    http::response<http::string_body> none;
    beast::error_code ec;
    http::read(client, buffer, none, ec);
    EXPECT_EQ(ec, http::error::end_of_stream);
    s.join();
  });
}

TYPED_TEST(beast_over, websocket_echo_and_closing_handshake) {
  detail::idle_context();
  with_runtimes([] {
    using fixture = beast_over<TypeParam>;
    {
      const beast::flat_buffer warm_up;
      typename fixture::ws first(TypeParam::connected().writer);  // the timers of the idle context
    }
    const std::size_t before = open_descriptors();
    {
      auto p = TypeParam::connected();
      scope s;
      s.spawn([&] { fixture::echo(std::move(p.reader)); });
      typename fixture::ws client(std::move(p.writer));
      client.handshake("localhost", "/");
      for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 65'535UL, 65'536UL, 1'000'000UL}) {
        const std::string sent(size, 'x');
        client.binary(size % 2 == 0);
        client.write(asio::buffer(sent));
        beast::flat_buffer got;
        client.read(got);
        EXPECT_EQ(client.got_binary(), size % 2 == 0);
        EXPECT_EQ(fixture::text(got), sent);
      }
      bool pong = false;
      client.control_callback([&](websocket::frame_type kind, beast::string_view payload) {
        pong = kind == websocket::frame_type::pong && payload == "are you there";
      });
      client.ping("are you there");
      client.write(asio::buffer("last", 4));
      beast::flat_buffer got;
      client.read(got);
      EXPECT_TRUE(pong);
      client.close(websocket::close_code::normal);
      EXPECT_FALSE(client.is_open());
      EXPECT_FALSE(client.next_layer().next_layer().is_open()) << "teardown closes it";
      s.join();
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

TYPED_TEST(beast_over, the_server_closes_the_websocket) {
  with_runtimes([] {
    using fixture = beast_over<TypeParam>;
    auto p = TypeParam::connected();
    scope s;
    s.spawn([&] {
      typename fixture::ws server(std::move(p.reader));
      server.accept();
      server.close({websocket::close_code::going_away, "shutting down"});
    });
    typename fixture::ws client(std::move(p.writer));
    client.handshake("localhost", "/");
    beast::flat_buffer got;
    beast::error_code ec;
    client.read(got, ec);
    EXPECT_EQ(ec, websocket::error::closed);
    EXPECT_EQ(client.reason().code, websocket::close_code::going_away);
    EXPECT_EQ(client.reason().reason, "shutting down");
    s.join();
  });
}

TYPED_TEST(beast_over, a_peer_that_vanishes_ends_the_websocket) {
  with_runtimes([] {
    using fixture = beast_over<TypeParam>;
    for (const bool in_a_message : {false, true}) {
      auto p = TypeParam::connected();
      scope s;
      s.spawn([&] {
        typename fixture::ws server(std::move(p.reader));
        server.accept();
        beast::flat_buffer got;
        beast::error_code ec;
        server.read(got, ec);
        if constexpr (is_socket<TypeParam>) {
          EXPECT_TRUE(ec == asio::error::eof || ec == asio::error::connection_reset) << ec.message();
        } else {
          EXPECT_EQ(ec, to_boost(make_error_code(tls_errc::truncated)));
        }
        server.write(asio::buffer("x", 1), ec);
        EXPECT_TRUE(ec);
      });
      typename fixture::ws client(std::move(p.writer));
      client.handshake("localhost", "/");
      if (in_a_message) client.write_some(false, asio::buffer("first half", 10));
      client.next_layer().next_layer().close();
      s.join();
    }
  });
}

TYPED_TEST(beast_over, what_is_no_websocket_is_told) {
  with_runtimes([] {
    using fixture = beast_over<TypeParam>;
    auto p = TypeParam::connected();
    const std::string nonsense = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    p.writer.write_all(std::as_bytes(std::span(nonsense)));
    typename fixture::ws server(std::move(p.reader));
    beast::error_code ec;
    server.accept(ec);
    EXPECT_EQ(ec, websocket::error::no_connection);
    typename fixture::ws other(TypeParam::connected().writer);
    other.handshake("localhost", "/", ec);
    EXPECT_TRUE(ec) << "nobody is there";
  });
}

TYPED_TEST(beast_over, deadlines_and_stops_end_its_waits) {
  with_runtimes([] {
    using fixture = beast_over<TypeParam>;
    auto silent = TypeParam::connected();
    typename fixture::ws nobody(std::move(silent.writer));
    nobody.next_layer().next_layer().expires_after(1ms);
    beast::error_code ec;
    nobody.handshake("localhost", "/", ec);
    EXPECT_EQ(ec, asio::error::timed_out);

    for (const bool ambient : {false, true}) {
      auto p = TypeParam::connected();
      stop_source source;
      park_probe reading;
      scope s(on_exception::log);
      s.spawn([&] {
        typename fixture::ws server(std::move(p.reader));
        if (!ambient) server.next_layer().set_stop_token(source.get_token());
        server.accept();
        beast::flat_buffer got;
        beast::error_code code;
        reading.here();
        server.read(got, code);
        EXPECT_EQ(code, asio::error::operation_aborted);
      });
      typename fixture::ws client(std::move(p.writer));
      client.handshake("localhost", "/");
      reading.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
      client.next_layer().next_layer().expires_after(1s);
      client.close(websocket::close_code::normal, ec);
      EXPECT_TRUE(ec) << "it was no farewell";
    }
  });
}

TYPED_TEST(beast_over, many_fibers_on_one_worker) {
  // A wait that blocked the worker would stop all of them, both ends of each connection included.
  const std::size_t connections = std::max<std::size_t>(scaled(1000), 10);
  sennit::run(sennit::options{.workers = 1, .stall_threshold = {}}, [&] {
    using fixture = beast_over<TypeParam>;
    std::atomic<std::size_t> waiting = 0;
    event all_are_connected;
    scope s;
    for (std::size_t i = 0; i < connections; ++i) {
      s.spawn([&, i] {
        auto p = TypeParam::connected();
        scope ends;
        ends.spawn([&] { fixture::echo(std::move(p.reader)); });
        typename fixture::ws client(std::move(p.writer));
        client.handshake("localhost", "/");
        if (++waiting == connections) all_are_connected.set();
        all_are_connected.wait();
        for (int k = 0; k < 10; ++k) {
          const std::string sent = std::to_string(i) + ":" + std::to_string(k);
          client.write(asio::buffer(sent));
          beast::flat_buffer got;
          client.read(got);
          ASSERT_EQ(fixture::text(got), sent);
        }
        client.close(websocket::close_code::normal);
        ends.join();
      });
    }
    s.join();
  });
}

}  // namespace
}  // namespace sennit::test

#include <gtest/gtest.h>

#include <sennit/asio.hpp>

// clang-format off: after sennit/asio.hpp
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/stream_traits.hpp>
// clang-format on

#include <string>
#include <thread>

#include <sennit/sennit.hpp>

#include "asio/kinds.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

template <class F>
boost::system::error_code boost_code_of(F&& f) {
  try {
    f();
  } catch (const boost::system::system_error& e) {
    return e.code();
  }
  return {};
}

/// A stream that reads and writes one buffer at a time.
class plain_stream {
 public:
  explicit plain_stream(unix_stream s) noexcept : next_(std::move(s)) {}
  std::size_t read_some(std::span<std::byte> b, const stop_token& t = {}) { return next_.read_some(b, t); }
  std::size_t read_some(std::span<std::byte> b, std::error_code& ec, const stop_token& t = {}) {
    return next_.read_some(b, ec, t);
  }
  std::size_t write_some(std::span<const std::byte> b, const stop_token& t = {}) { return next_.write_some(b, t); }
  std::size_t write_some(std::span<const std::byte> b, std::error_code& ec, const stop_token& t = {}) {
    return next_.write_some(b, ec, t);
  }
  template <class D>
  void expires_after(D d) noexcept {
    next_.expires_after(d);
  }
  void expires_never() noexcept { next_.expires_never(); }
  void close() noexcept { next_.close(); }
  void shutdown_send() { next_.shutdown_send(); }

 private:
  unix_stream next_;
};

struct plain_kind {
  static ends<plain_stream> connected() {
    auto [a, b] = unix_stream::pair();
    return {plain_stream(std::move(a)), plain_stream(std::move(b))};
  }
};

template <class Kind>
class asio_stream_over : public ::testing::Test {};
using kinds = asio_kinds<plain_kind>;
TYPED_TEST_SUITE(asio_stream_over, kinds);

/// Both ends, the one that refers and the one that owns.
template <class Stream>
struct asio_ends {
  explicit asio_ends(ends<Stream> e) : below(std::move(e.writer)), left(below), right(std::move(e.reader)) {}
  Stream below;
  asio_stream<Stream&> left;
  asio_stream<Stream> right;
};
template <class Stream>
asio_ends(ends<Stream>) -> asio_ends<Stream>;

TYPED_TEST(asio_stream_over, is_what_asio_asks_for) {
  using stream = asio_stream<decltype(TypeParam::connected().writer)>;
  EXPECT_TRUE(boost::beast::is_sync_stream<stream>::value);
  EXPECT_TRUE(boost::beast::has_get_executor<stream>::value);
  EXPECT_TRUE(std::is_move_constructible_v<stream>);
  with_runtimes([] {
    asio_stream s(TypeParam::connected().writer);
    EXPECT_EQ(&s.get_executor().context(), &detail::idle_context());
    EXPECT_EQ(&s.lowest_layer(), &s);
    auto& lowest = boost::beast::get_lowest_layer(s);
    if constexpr (std::is_same_v<decltype(lowest), decltype(s.next_layer())>) {
      EXPECT_EQ(&lowest, &s.next_layer());
    } else {
      EXPECT_EQ(&lowest, &s.next_layer().next_layer());  // below TLS
    }
    if constexpr (is_socket<TypeParam>) {
      boost::beast::close_socket(lowest);
    } else {
      s.next_layer().close();
    }
    boost::system::error_code ec;
    std::array<char, 1> b{};
    s.read_some(asio::buffer(b), ec);
    EXPECT_EQ(ec, asio::error::bad_descriptor);
    EXPECT_EQ(s.write_some(asio::const_buffer(), ec), 0U);
    EXPECT_EQ(ec, asio::error::bad_descriptor);
  });
}

TYPED_TEST(asio_stream_over, read_and_write_sequences_of_buffers) {
  with_runtimes([] {
    asio_ends p(TypeParam::connected());
    bytes sent = random_bytes(scaled(2'000'000), 1);
    scope s;
    s.spawn([&] {
      std::vector<asio::const_buffer> parts;  // more than one call takes, empty ones too
      for (std::size_t at = 0; at < sent.size(); at += 1 + at % 5000)
        parts.push_back(asio::buffer(sent) + at), parts.back() = asio::buffer(parts.back(), 1 + at % 5000),
                                                  parts.emplace_back();
      EXPECT_EQ(asio::write(p.left, parts), sent.size());
      p.below.shutdown_send();
    });
    bytes got(sent.size());
    const std::size_t half = got.size() / 2;
    const std::array into{asio::buffer(got.data(), 0), asio::buffer(got.data(), half),
                          asio::buffer(got.data() + half, got.size() - half)};
    EXPECT_EQ(asio::read(p.right, into), sent.size());
    EXPECT_EQ(got, sent);
    boost::system::error_code ec;
    std::array<char, 1> b{};
    EXPECT_EQ(p.right.read_some(asio::buffer(b), ec), 0U);
    EXPECT_EQ(ec, asio::error::eof);
    EXPECT_EQ(p.right.read_some(asio::mutable_buffer(), ec), 0U);
    EXPECT_FALSE(ec) << "no room is no end";
    EXPECT_EQ(boost_code_of([&] { p.right.read_some(asio::buffer(b)); }), asio::error::eof);
    EXPECT_EQ(asio::read(p.right, asio::buffer(b), ec), 0U);
    EXPECT_EQ(ec, asio::error::eof);
    s.join();
    EXPECT_EQ(boost_code_of([&] { p.left.write_some(asio::buffer(b)); }), asio::error::broken_pipe);
  });
}

TYPED_TEST(asio_stream_over, read_until) {
  with_runtimes([] {
    asio_ends p(TypeParam::connected());
    scope s;
    s.spawn([&] {
      for (const std::string part : {"one\ntw", "o\nthree\r", "\n\r\nno end"}) asio::write(p.left, asio::buffer(part));
      p.below.shutdown_send();
    });
    asio::streambuf in;
    const auto next = [&](std::size_t size) {
      std::string text(asio::buffers_begin(in.data()),
                       asio::buffers_begin(in.data()) + static_cast<std::ptrdiff_t>(size));
      in.consume(size);
      return text;
    };
    EXPECT_EQ(next(asio::read_until(p.right, in, '\n')), "one\n");
    EXPECT_EQ(next(asio::read_until(p.right, in, "o\n")), "two\n");
    EXPECT_EQ(next(asio::read_until(p.right, in, "\r\n\r\n")), "three\r\n\r\n");
    boost::system::error_code ec;
    EXPECT_EQ(asio::read_until(p.right, in, '\n', ec), 0U);
    EXPECT_EQ(ec, asio::error::eof);
    EXPECT_EQ(next(in.size()), "no end");
    s.join();
  });
}

TYPED_TEST(asio_stream_over, deadlines_stops_and_close_end_its_waits) {
  with_runtimes([] {
    asio_ends p(TypeParam::connected());
    std::array<char, 8> b{};
    boost::system::error_code ec;
    p.right.next_layer().expires_after(1ms);
    EXPECT_EQ(asio::read(p.right, asio::buffer(b), ec), 0U);
    EXPECT_EQ(ec, asio::error::timed_out);
    EXPECT_EQ(ec, boost::system::errc::timed_out);
    p.right.next_layer().expires_never();
    const bytes much(16 << 20);
    p.below.expires_after(1ms);
    EXPECT_LT(asio::write(p.left, asio::buffer(much), ec), much.size());
    EXPECT_EQ(ec, asio::error::timed_out);

    p.below.expires_never();
    for (const bool ambient : {false, true}) {
      stop_source source;
      park_probe reading;
      scope s(on_exception::log);
      s.spawn([&] {
        boost::system::error_code code;
        if (!ambient) p.left.set_stop_token(source.get_token());
        reading.here();
        asio::read(p.left, asio::buffer(b), code);
        EXPECT_EQ(code, asio::error::operation_aborted);
      });
      reading.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
      p.left.set_stop_token({});
    }

    park_probe reading;
    scope s;
    s.spawn([&] {
      boost::system::error_code code;
      reading.here();
      asio::read(p.left, asio::buffer(b), code);
      EXPECT_EQ(code, asio::error::bad_descriptor);
    });
    reading.await_parked();
    std::thread([&] { p.below.close(); }).join();
    s.join();
  });
}

TEST(to_boost, codes_are_asios_where_asio_has_them) {
  EXPECT_FALSE(to_boost({}));
  EXPECT_EQ(to_boost(error::deadline_passed), asio::error::timed_out);
  EXPECT_EQ(to_boost(error::end_of_stream), asio::error::eof);
  EXPECT_EQ(to_boost(error::bad_endpoint), asio::error::invalid_argument);
  EXPECT_EQ(to_boost(std::make_error_code(std::errc::operation_canceled)), asio::error::operation_aborted);
  EXPECT_EQ(to_boost({ECONNRESET, std::system_category()}), asio::error::connection_reset);
  EXPECT_EQ(to_boost({ETIMEDOUT, std::system_category()}), asio::error::timed_out);
}

struct weather_category final : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "weather"; }
  [[nodiscard]] std::string message(int code) const override { return "rain " + std::to_string(code); }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    if (code == 1) return std::errc::network_down;
    return {code, *this};
  }
};

TEST(to_boost, other_categories_keep_name_and_message) {
  static const weather_category weather;
  const auto one = to_boost({1, weather});
  EXPECT_STREQ(one.category().name(), "weather");
  EXPECT_EQ(one.message(), "rain 1");
  EXPECT_EQ(one, boost::system::errc::network_down);
  EXPECT_EQ(one, to_boost({1, weather}));
  EXPECT_NE(one, to_boost({2, weather}));
  EXPECT_NE(to_boost({2, weather}), boost::system::errc::network_down);
}

}  // namespace
}  // namespace sennit::test

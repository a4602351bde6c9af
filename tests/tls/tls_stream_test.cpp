// tls_stream once it is connected, over TCP and Unix streams.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "support/files.hpp"
#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

template <class Kind>
class tls_stream_over : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind>;
TYPED_TEST_SUITE(tls_stream_over, kinds);

TYPED_TEST(tls_stream_over, both_directions_at_once_with_back_pressure) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    const bytes there = random_bytes(1'500'000, 1);
    const bytes back = random_bytes(1'500'000, 2);
    scope s;
    s.spawn([&] {
      e.client.write_all(there);
      e.client.shutdown_send();
    });
    s.spawn([&] {
      e.server.write_all(back);
      e.server.shutdown_send();
    });
    s.spawn([&] { EXPECT_EQ(drain_slowly(e.server, 3000), there); });
    EXPECT_EQ(drain_slowly(e.client, 100'000), back);
    s.join();
  });
}

TYPED_TEST(tls_stream_over, a_writer_waits_for_a_reader_who_reads) {
  with_runtimes([] {
    auto raw = TypeParam::connected();
    TypeParam::shrink(raw);
    tls_stream client(std::move(raw.writer), tls_context(client_options()));
    tls_stream server(std::move(raw.reader), tls_context(server_options()));
    const bytes sent = random_bytes(4'000'000, 3);
    park_probe writer;
    scope s;
    s.spawn([&] {
      client.handshake_as_client("localhost");
      writer.here();
      client.write_all(sent);
      client.shutdown_send();
    });
    server.handshake_as_server();
    writer.await_parked();
    EXPECT_EQ(drain_slowly(server, 20'000), sent);
    s.join();
  });
}

TYPED_TEST(tls_stream_over, files_there_and_into_files) {
  with_runtimes([] {
    const scratch_directory dir;
    const bytes data = random_bytes(700'000, 4);
    write_file(dir / "from", data);
    const file from = file::open(dir / "from");
    file into = file::open(dir / "into", open_mode::read_write | open_mode::create);
    tls_ends<TypeParam> e;
    e.up();
    scope s;
    s.spawn([&] {
      EXPECT_EQ(send_file(e.client, from, 5), data.size() - 5);
      e.client.shutdown_send();
    });
    EXPECT_EQ(receive_file(e.server, into), data.size() - 5);
    s.join();
    bytes got(into.size());
    into.read_at(got, 0);
    EXPECT_TRUE(std::equal(got.begin(), got.end(), data.begin() + 5, data.end()));
  });
}

TYPED_TEST(tls_stream_over, tiny_messages_with_random_partial_reads) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    const std::size_t total = scaled(200'000);
    scope s;
    s.spawn([&] {
      detail::random_source random(1);
      bytes out(8);
      for (std::size_t i = 0; i < total;) {
        const std::size_t n = std::min<std::size_t>(1 + random.below(8), total - i);
        for (std::size_t k = 0; k < n; ++k) out[k] = static_cast<std::byte>(i + k);
        e.client.write_all(std::span(out).first(n));
        i += n;
      }
      e.client.shutdown_send();
    });
    detail::random_source random(2);
    bytes in(16);
    std::size_t got = 0;
    while (const std::size_t n = e.server.read_some(std::span(in).first(1 + random.below(16))))
      for (std::size_t k = 0; k < n; ++k) ASSERT_EQ(in[k], static_cast<std::byte>(got++));
    EXPECT_EQ(got, total);
    s.join();
  });
}

TYPED_TEST(tls_stream_over, several_buffers) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    const bytes sent = random_bytes(300'000, 5);
    const auto part = [&](std::size_t from, std::size_t n) { return std::span(sent).subspan(from, n); };
    // Small ones, empty ones, and one that is more than a call encrypts.
    const std::vector<std::span<const std::byte>> out{
        part(0, 0),         part(0, 10),           part(10, 0),           part(10, 200'000),
        part(200'010, 990), part(201'000, 70'000), part(271'000, 29'000), part(300'000, 0)};
    scope s;
    s.spawn([&] {
      EXPECT_EQ(e.client.write_all(out), sent.size());
      const std::array<std::span<const std::byte>, 2> last{bytes_of("ab"), bytes_of("cd")};
      EXPECT_EQ(e.client.write_some(last), 4U) << "small ones share a record";
      e.client.shutdown_send();
    });
    bytes got(sent.size());
    EXPECT_EQ(e.server.read_exact(got), sent.size());
    EXPECT_EQ(got, sent);
    std::string a(1, '\0');
    std::string b(0, '\0');
    std::string c(9, '\0');
    const std::array<std::span<std::byte>, 3> in{std::as_writable_bytes(std::span(a)),
                                                 std::as_writable_bytes(std::span(b)),
                                                 std::as_writable_bytes(std::span(c))};
    EXPECT_EQ(e.server.read_some(in), 4U);
    EXPECT_EQ(a + c.substr(0, 3), "abcd");
    EXPECT_EQ(e.server.read_some(in), 0U);
    s.join();
    EXPECT_EQ(e.client.read_some(std::span<std::byte>()), 0U);
    EXPECT_EQ(e.server.write_some(std::span<const std::byte>()), 0U);
  });
}

TYPED_TEST(tls_stream_over, several_writers_and_readers_take_turns) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    constexpr int each = 4;
    const std::size_t rounds = scaled(500);
    std::atomic<std::size_t> sum{0};
    scope readers;
    for (int i = 0; i < each; ++i) {
      readers.spawn([&] {
        bytes b(700);
        while (const std::size_t n = e.server.read_some(b)) sum += n;
      });
    }
    scope writers;
    for (int i = 0; i < each; ++i) {
      writers.spawn([&] {
        for (std::size_t k = 0; k < rounds; ++k) e.client.write_all(bytes(1 + k % 40'000));
      });
    }
    writers.join();
    e.client.shutdown_send();
    readers.join();
    std::size_t all = 0;
    for (std::size_t k = 0; k < rounds; ++k) all += each * (1 + k % 40'000);
    EXPECT_EQ(sum, all);
  });
}

TYPED_TEST(tls_stream_over, plain_threads) {
  auto raw = TypeParam::connected();
  const bytes sent = random_bytes(1'000'000, 8);
  std::thread other([&] {
    tls_stream server(std::move(raw.reader), tls_context(server_options()));
    server.handshake_as_server();
    EXPECT_TRUE(drain_slowly(server, 10'000) == sent);
    server.shutdown();
  });
  tls_stream client(std::move(raw.writer), tls_context(client_options()));
  client.handshake_as_client("localhost");
  client.write_all(sent);
  client.shutdown();
  other.join();
}

TYPED_TEST(tls_stream_over, fibers_of_two_runtimes_share_a_stream) {
  runtime one({.workers = 2, .stall_threshold = {}});
  runtime two({.workers = 2, .stall_threshold = {}});
  tls_ends<TypeParam> e;
  one.run([&] { e.up(); });
  const bytes sent = random_bytes(1'000'000, 10);
  fiber echo = two.spawn([&] {
    bytes b(20'000);
    while (const std::size_t n = e.server.read_some(b)) e.server.write_all(std::span(b).first(n));
    e.server.shutdown_send();
  });
  fiber writer = one.spawn([&] {
    e.client.write_all(sent);
    e.client.shutdown_send();
  });
  fiber reader = two.spawn([&] { EXPECT_TRUE(drain_slowly(e.client, 10'000) == sent); });
  echo.join();
  writer.join();
  reader.join();
}

TYPED_TEST(tls_stream_over, calls_that_are_cut_and_interrupted_lose_nothing) {
  chopping_host outside(seed(), TypeParam::may_be_cut);
  with_runtimes(
      [] {
        tls_ends<TypeParam> e;
        e.up();
        const bytes sent = random_bytes(scaled(3'000'000), 9);
        scope s;
        s.spawn([&] {
          e.client.write_all(sent);
          e.client.shutdown();
        });
        EXPECT_TRUE(drain_slowly(e.server, 10'000) == sent);
        e.server.shutdown();
        s.join();
      },
      &outside);
}

TYPED_TEST(tls_stream_over, handles_move_and_empty_ones_say_so) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    bytes b(4);
    EXPECT_EQ(code_of([&] { e.client.read_some(b); }), std::errc::not_connected);
    EXPECT_EQ(code_of([&] { e.client.write_all(b); }), std::errc::not_connected);
    EXPECT_EQ(code_of([&] { e.client.shutdown(); }), std::errc::not_connected);
    EXPECT_EQ(e.client.version(), std::nullopt);
    e.up();
    EXPECT_EQ(code_of([&] { e.client.handshake_as_client("localhost"); }), std::errc::already_connected);
    auto moved = std::move(e.client);
    EXPECT_FALSE(e.client.is_open());
    EXPECT_EQ(code_of([&] { e.client.read_some(b); }), std::errc::bad_file_descriptor);
    e.client.close();
    e.client.expires_never();
    EXPECT_EQ(e.client.alpn(), "");
    e.client = std::move(moved);
    greet(e);
    using stream = typename tls_ends<TypeParam>::stream;
    EXPECT_EQ(code_of([&] { stream(std::move(e.server.next_layer()), tls_context()); }), std::errc::invalid_argument);
  });
}

}  // namespace
}  // namespace sennit::test

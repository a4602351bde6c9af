// How a tls_stream, or a wait for one, comes to its end.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "support/process_counts.hpp"
#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

template <class Kind>
class tls_end : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind>;
TYPED_TEST_SUITE(tls_end, kinds);

/// Writes until the buffers are full: then a write waits.
template <class Stream>
void fill(Stream& s) {
  const bytes much(1 << 16);
  std::error_code ec;
  s.expires_after(0s);
  while (!ec) s.write_some(much, ec);
  EXPECT_EQ(ec, error::deadline_passed);
  s.expires_never();
}

TYPED_TEST(tls_end, half_close_leaves_the_other_direction_open) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    e.client.write_all(bytes_of("last"));
    e.client.shutdown_send();
    EXPECT_EQ(read_text(e.server, 4), "last");
    bytes b(8);
    EXPECT_EQ(e.server.read_some(b), 0U);
    EXPECT_EQ(e.server.read_some(b), 0U) << "the end stays";
    EXPECT_EQ(code_of([&] { e.server.read_exact(b); }), error::end_of_stream);
    EXPECT_EQ(code_of([&] { e.client.write_all(b); }), std::errc::broken_pipe);
    e.client.shutdown_send();  // once more is nothing
    e.server.write_all(b);
    EXPECT_EQ(e.client.read_exact(b), 8U);
  });
}

TYPED_TEST(tls_end, a_stream_that_is_cut_off_is_not_one_that_has_ended) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    e.client.write_all(bytes_of("all of it?"));
    e.client.next_layer().shutdown_send();  // an attacker's FIN, say: no close_notify
    EXPECT_EQ(read_text(e.server, 10), "all of it?");
    bytes b(8);
    std::error_code ec;
    EXPECT_EQ(e.server.read_some(b, ec), 0U);
    EXPECT_EQ(ec, tls_errc::truncated);
    EXPECT_EQ(ec, std::errc::connection_aborted);
    EXPECT_NE(ec, error::end_of_stream);
    e.server.read_exact(b, ec);
    EXPECT_EQ(ec, tls_errc::truncated) << "it stays";
    e.server.write_all(b);  // the other direction is open
    EXPECT_EQ(e.client.read_exact(b), 8U);
  });
}

TYPED_TEST(tls_end, cut_in_the_middle_of_a_record) {
  with_runtimes([] {
    auto raw = TypeParam::connected();
    auto middle = TypeParam::connected();
    tls_stream client(std::move(raw.writer), tls_context(client_options()));
    tls_stream server(std::move(middle.reader), tls_context(server_options()));
    std::atomic<std::size_t> let_through{1 << 20};
    const auto forward = [&](auto& from, auto& to, bool counted) {
      bytes b(1000);
      std::error_code ec;
      while (std::size_t n = from.read_some(b, ec)) {
        if (counted) n = std::min(n, let_through.load());
        to.write_all(std::span(b).first(n), ec);
        if (counted && (let_through -= n) == 0) break;
      }
      to.shutdown_send(ec);
    };
    scope s;
    s.spawn([&] { forward(raw.reader, middle.writer, true); });
    s.spawn([&] { forward(middle.writer, raw.reader, false); });
    scope handshake;
    handshake.spawn([&] { server.handshake_as_server(); });
    client.handshake_as_client("localhost");
    handshake.join();
    let_through = 700;
    std::error_code ec;
    client.write_all(bytes(5000), ec);
    bytes b(5000);
    EXPECT_EQ(server.read_some(b, ec), 0U) << "no part of a record is given out";
    EXPECT_EQ(ec, tls_errc::truncated);
    client.close();
    server.close();
    raw.reader.close();
    middle.writer.close();
    s.join();
  });
}

TYPED_TEST(tls_end, shutdown_waits_for_the_peer) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    scope s;
    s.spawn([&] {
      e.server.write_all(bytes(100'000));  // nobody reads it
      e.server.shutdown();
    });
    e.client.shutdown();
    s.join();
    bytes b(8);
    EXPECT_EQ(e.client.read_some(b), 0U);
    EXPECT_TRUE(e.client.is_open());
    e.client.next_layer().write_all(b);  // the stream below is as it was
    EXPECT_EQ(e.server.next_layer().read_exact(b), 8U);
  });
}

TYPED_TEST(tls_end, shutdown_has_a_deadline_of_its_own) {
  with_runtimes([] {
    auto options = client_options();
    options.shutdown_timeout = 1ms;
    tls_ends<TypeParam> silent{tls_context(options)};
    silent.up();
    std::error_code ec;
    silent.client.shutdown(ec);  // the server says nothing
    EXPECT_EQ(ec, error::deadline_passed);
    bytes b(1);
    EXPECT_EQ(silent.server.read_some(b), 0U);

    tls_ends<TypeParam> endless{tls_context(options)};
    endless.up();
    scope s;
    s.spawn([&] {
      std::error_code gone;
      const bytes much(10'000);
      while (!gone) endless.server.write_all(much, gone);
    });
    endless.client.shutdown(ec);  // the server never stops
    EXPECT_EQ(ec, error::deadline_passed);
    endless.client.close();
    s.join();
  });
}

TYPED_TEST(tls_end, shutdown_without_an_answer) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    e.server.close();
    std::error_code ec;
    e.client.shutdown(ec);
    EXPECT_TRUE(ec == tls_errc::truncated || ec == std::errc::broken_pipe || ec == std::errc::connection_reset) << ec;
  });
}

TYPED_TEST(tls_end, deadlines_and_stops_leave_the_stream_whole) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    bytes b(4);
    std::error_code ec;
    e.server.expires_after(1ms);
    e.server.read_some(b, ec);
    EXPECT_EQ(ec, error::deadline_passed);
    EXPECT_EQ(ec, std::errc::timed_out);
    e.server.expires_never();

    stop_source source;
    park_probe reader;
    scope s;
    s.spawn([&] {
      std::error_code stopped;
      reader.here();
      e.server.read_some(b, stopped, source.get_token());
      EXPECT_EQ(stopped, std::errc::operation_canceled);
    });
    reader.await_parked();
    source.request_stop();
    s.join();

    scope ambient(on_exception::log);
    park_probe inside;
    ambient.spawn([&] {
      std::error_code stopped;
      inside.here();
      e.server.read_some(b, stopped);
      EXPECT_EQ(stopped, std::errc::operation_canceled);
    });
    inside.await_parked();
    ambient.request_stop();
    ambient.join();

    greet(e);
  });
}

TYPED_TEST(tls_end, a_write_that_was_given_up_is_finished_by_the_next) {
  const bytes sent = random_bytes(30'000'000, 6);
  with_runtimes([&] {
    tls_ends<TypeParam> e;
    e.up();
    std::error_code ec;
    e.client.expires_after(1ms);
    const std::size_t taken = e.client.write_all(sent, ec);
    ASSERT_EQ(ec, error::deadline_passed);
    ASSERT_LT(taken, sent.size());
    e.client.expires_never();
    const bytes rest = random_bytes(1000, 7);
    scope s;
    s.spawn([&] {
      e.client.write_all(rest);
      e.client.shutdown_send();
    });
    bytes all(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(taken));
    all.insert(all.end(), rest.begin(), rest.end());
    EXPECT_TRUE(drain_slowly(e.server, 65536) == all);
    s.join();
  });
}

TYPED_TEST(tls_end, deadline_and_data_together) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    const std::size_t total = scaled(20'000);
    scope s;
    s.spawn([&] {
      for (std::size_t i = 0; i < total; ++i) {
        const auto next = static_cast<std::byte>(i);
        e.client.write_all(std::span(&next, 1));
        this_fiber::yield();
      }
    });
    detail::random_source random(3);
    bytes in(4);
    for (std::size_t got = 0; got < total;) {
      std::error_code ec;
      e.server.expires_after(std::chrono::microseconds(random.below(20)));
      const std::size_t n = e.server.read_some(in, ec);
      ASSERT_EQ(n == 0, ec == error::deadline_passed) << ec.message();
      for (std::size_t k = 0; k < n; ++k) ASSERT_EQ(in[k], static_cast<std::byte>(got++));
    }
    s.join();
  });
}

TYPED_TEST(tls_end, reset_by_the_peer) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    greet(e.up());
    park_probe reader;
    scope s;
    s.spawn([&] {
      bytes b(8);
      std::error_code ec;
      reader.here();
      e.client.read_some(b, ec);
      EXPECT_EQ(ec, std::errc::connection_reset);
    });
    reader.await_parked();
    e.client.write_all(bytes_of("never read"));
    e.server.close();  // with data unread, which the kernel tells the other side
    s.join();
    std::error_code ec;
    e.client.write_all(bytes_of("x"), ec);
    EXPECT_EQ(ec, std::errc::broken_pipe);
  });
}

TYPED_TEST(tls_end, a_writer_who_goes_on_overtakes_nobody) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    fill(e.client);
    park_probe first;
    park_probe second;
    scope writers;
    writers.spawn([&] {
      first.here();
      e.client.write_all(bytes_of("1"));
      e.client.write_all(bytes_of("3"));
    });
    first.await_parked();
    writers.spawn([&] {
      second.here();
      e.client.write_all(bytes_of("2"));
    });
    second.await_parked();
    bytes all;
    scope reader;
    reader.spawn([&] { all = drain_slowly(e.server, 65536); });
    writers.join();
    e.client.shutdown_send();
    reader.join();
    const auto wanted = bytes_of("123");
    EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), all.end() - 3));
  });
}

TYPED_TEST(tls_end, who_waits_for_a_turn_can_be_stopped) {
  with_runtimes([] {
    tls_ends<TypeParam> e;
    e.up();
    fill(e.client);
    park_probe first;
    park_probe second;
    stop_source source;
    scope s;
    s.spawn([&] {
      std::error_code ec;
      first.here();
      e.client.write_all(bytes_of("x"), ec);
      EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    });
    first.await_parked();
    s.spawn([&] {
      std::error_code ec;
      second.here();
      e.client.write_all(bytes_of("y"), ec, source.get_token());
      EXPECT_EQ(ec, std::errc::operation_canceled);
      e.client.expires_after(0s);
      e.client.write_all(bytes_of("y"), ec);
      EXPECT_EQ(ec, error::deadline_passed);
      e.client.close();
    });
    second.await_parked();
    source.request_stop();
    s.join();
  });
}

TYPED_TEST(tls_end, close_wakes_readers_and_writers) {
  with_runtimes([] {
    const tls_context client{client_options()};
    const tls_context server{server_options()};
    for (const bool from_thread : {false, true}) {
      for (std::size_t i = 0; i < scaled(200); ++i) {
        tls_ends<TypeParam> e(client, server);
        e.up();
        fill(e.client);
        std::array<park_probe, 4> waiting;
        scope s;
        for (std::size_t k = 0; k < 4; ++k) {  // two of each: one in the stream, one for its turn
          s.spawn([&, k] {
            std::error_code ec;
            bytes b(8);
            waiting[k].here();
            if (k % 2 == 0) {
              e.client.read_some(b, ec);
            } else {
              e.client.write_all(b, ec);
            }
            EXPECT_EQ(ec, std::errc::bad_file_descriptor);
          });
        }
        for (const park_probe& p : waiting) p.await_parked();
        if (from_thread) {
          std::thread([&] { e.client.close(); }).join();
        } else {
          e.client.close();
        }
        s.join();
        EXPECT_FALSE(e.client.is_open());
        std::error_code ec;
        e.client.write_some(bytes_of("x"), ec);
        EXPECT_EQ(ec, std::errc::bad_file_descriptor);
      }
    }
  });
}

TYPED_TEST(tls_end, leaves_no_descriptor_behind) {
  with_runtimes([] {
    const tls_context client{client_options()};
    const tls_context server{server_options()};
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 30; ++i) {
      tls_ends<TypeParam> e(client, server);
      e.shake_hands(i % 3 == 0 ? "wrong.test" : "localhost");
      std::error_code ec;
      bytes b(8);
      e.client.expires_after(i % 2 == 0 ? 0ns : 1us);
      e.client.read_some(b, ec);
      e.server.write_some(b, ec);
      if (i % 5 == 0) e.client.close();
      if (i % 7 == 0) e.server.shutdown_send(ec);
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

}  // namespace
}  // namespace sennit::test

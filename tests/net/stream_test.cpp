// What every byte stream promises, over TCP, Unix streams and pipes.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

template <class Kind>
class stream : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind, pipe_kind>;
TYPED_TEST_SUITE(stream, kinds);

/// Writes until the buffers are full: then a write waits.
template <class Stream>
void fill(Stream& s) {
  const bytes much(1 << 16);
  std::error_code ec;
  s.expires_after(0s);
  while (!ec) s.write_some(much, ec);
  EXPECT_EQ(ec, std::errc::timed_out);
  s.expires_never();
}

TYPED_TEST(stream, a_slow_reader_gets_everything_in_order) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    TypeParam::shrink(p);
    const bytes sent = random_bytes(1'000'000, 1);
    park_probe writer;
    scope s;
    s.spawn([&] {
      writer.here();
      p.writer.write_all(sent);
      p.writer.close();
    });
    writer.await_parked();  // back-pressure: it waits for the reader
    bytes got;
    detail::random_source random(2);
    bytes buffer(3000);
    for (;;) {
      const std::size_t n = p.reader.read_some(std::span(buffer).first(1 + random.below(3000)));
      if (n == 0) break;
      got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
    }
    s.join();
    EXPECT_EQ(got, sent);
  });
}

TYPED_TEST(stream, tiny_messages_with_random_partial_reads) {
  // Hazard 14: no byte may wait for an edge that will not come.
  with_runtimes([] {
    auto p = TypeParam::connected();
    const std::size_t total = scaled(200'000);
    scope s;
    s.spawn([&] {
      detail::random_source random(1);
      bytes out(8);
      for (std::size_t i = 0; i < total;) {
        const std::size_t n = std::min<std::size_t>(1 + random.below(8), total - i);
        for (std::size_t k = 0; k < n; ++k) out[k] = static_cast<std::byte>(i + k);
        p.writer.write_all(std::span(out).first(n));
        i += n;
      }
      p.writer.close();
    });
    detail::random_source random(2);
    bytes in(16);
    std::size_t got = 0;
    while (const std::size_t n = p.reader.read_some(std::span(in).first(1 + random.below(16))))
      for (std::size_t k = 0; k < n; ++k) ASSERT_EQ(in[k], static_cast<std::byte>(got++));
    EXPECT_EQ(got, total);
    s.join();
  });
}

TYPED_TEST(stream, the_end_comes_after_the_data) {
  with_runtimes([] {
    for (std::size_t i = 0; i < scaled(5000); ++i) {
      auto p = TypeParam::connected();
      const bytes sent = random_bytes(100, static_cast<std::uint32_t>(i));
      scope s;
      s.spawn([&] { EXPECT_EQ(drain_slowly(p.reader), sent); });
      p.writer.write_all(sent);
      p.writer.close();
      s.join();
      std::array<std::byte, 1> b{};
      EXPECT_EQ(p.reader.read_some(b), 0U) << "again and again";
    }
  });
}

TYPED_TEST(stream, read_exact_reports_an_early_end) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::array<std::byte, 8> b{};
    p.writer.write_all(std::span(b).first(5));
    p.writer.close();
    std::error_code ec;
    EXPECT_EQ(p.reader.read_exact(b, ec), 5U);
    EXPECT_EQ(ec, sennit::error::end_of_stream);
    EXPECT_EQ(code_of([&] { p.reader.read_exact(b); }), sennit::error::end_of_stream);
  });
}

TYPED_TEST(stream, empty_buffers_return_at_once) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::error_code ec = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(p.reader.read_some({}, ec), 0U);
    EXPECT_FALSE(ec);
    EXPECT_EQ(p.writer.write_some({}, ec), 0U);
    EXPECT_EQ(p.writer.write_all({}, ec), 0U);
    EXPECT_EQ(p.reader.read_exact({}, ec), 0U);
    EXPECT_FALSE(ec);
    p.reader.close();
    p.reader.read_some({}, ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(stream, deadlines_end_reads_and_writes) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::array<std::byte, 8> b{};
    std::error_code ec;
    const auto before = std::chrono::steady_clock::now();
    p.reader.expires_after(3ms);
    EXPECT_EQ(p.reader.read_some(b, ec), 0U);
    EXPECT_EQ(ec, sennit::error::deadline_passed);
    EXPECT_EQ(ec, std::errc::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 3ms);
    p.reader.read_some(b, ec);
    EXPECT_EQ(ec, std::errc::timed_out) << "absolute once set";
    p.reader.expires_never();
    p.writer.write_all(b);
    EXPECT_EQ(p.reader.read_some(b, ec), 8U);
    EXPECT_FALSE(ec);
    const bytes much(64 << 20);
    p.writer.expires_after(3ms);
    EXPECT_LT(p.writer.write_all(much, ec), much.size());
    EXPECT_EQ(ec, std::errc::timed_out);
  });
}

TYPED_TEST(stream, deadline_and_data_together_give_exactly_one_result) {
  // Hazard 2.
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::array<std::byte, 1> b{};
    for (std::size_t i = 0; i < scaled(5000); ++i) {
      const auto at = std::chrono::steady_clock::now() + std::chrono::microseconds(20 + i % 60);
      scope s;
      s.spawn([&] {
        this_fiber::sleep_until(at);
        p.writer.write_all(std::array{static_cast<std::byte>(i)});
      });
      p.reader.expires_at(at);
      std::error_code ec;
      if (p.reader.read_some(b, ec) == 0) {
        ASSERT_EQ(ec, std::errc::timed_out);
        p.reader.expires_never();
        ASSERT_EQ(p.reader.read_some(b), 1U);
      }
      ASSERT_EQ(b[0], static_cast<std::byte>(i));
      s.join();
    }
  });
}

TYPED_TEST(stream, stops_end_reads_and_writes) {
  with_runtimes([] {
    for (const bool ambient : {false, true}) {
      auto p = TypeParam::connected();
      TypeParam::shrink(p);
      fill(p.writer);
      stop_source source;
      park_probe reading;
      park_probe writing;
      scope s(on_exception::log);
      auto q = TypeParam::connected();  // nothing to read there
      const stop_token token = ambient ? stop_token() : source.get_token();
      s.spawn([&] {
        std::array<std::byte, 8> b{};
        std::error_code ec;
        reading.here();
        q.reader.read_some(b, ec, token);
        EXPECT_EQ(ec, std::errc::operation_canceled);
      });
      s.spawn([&] {
        const bytes much(1 << 20);
        std::error_code ec;
        writing.here();
        p.writer.write_all(much, ec, token);
        EXPECT_EQ(ec, std::errc::operation_canceled);
      });
      reading.await_parked();
      writing.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
    }
  });
}

TYPED_TEST(stream, a_write_to_a_peer_that_is_gone_fails) {
  // And raises no SIGPIPE (hazard 17): this process would end.
  const auto expect_broken = [] {
    auto p = TypeParam::connected();
    p.reader.close();
    const bytes some(4096);
    std::error_code ec;
    while (!ec) p.writer.write_all(some, ec);
    EXPECT_TRUE(ec == std::errc::broken_pipe || ec == std::errc::connection_reset) << ec.message();
    ec.clear();
    p.writer.write_all(some, ec);
    EXPECT_EQ(ec, std::errc::broken_pipe);
    EXPECT_EQ(code_of([&] { p.writer.write_some(some); }), std::errc::broken_pipe);
    const std::array<std::span<const std::byte>, 2> parts{some, some};
    p.writer.write_all(parts, ec);
    EXPECT_EQ(ec, std::errc::broken_pipe);
  };
  with_runtimes(expect_broken);
  expect_broken();  // on a plain thread, which does not block the signal
}

TYPED_TEST(stream, a_peer_that_goes_wakes_a_waiting_writer) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    TypeParam::shrink(p);
    const bytes much(1 << 20);
    park_probe writing;
    scope s;
    s.spawn([&] {
      std::error_code ec;
      writing.here();
      while (!ec) p.writer.write_all(much, ec);
      EXPECT_TRUE(ec == std::errc::broken_pipe || ec == std::errc::connection_reset) << ec.message();
    });
    writing.await_parked();
    p.reader.close();
    s.join();
  });
}

TYPED_TEST(stream, plain_threads_block) {
  auto p = TypeParam::connected();
  const bytes sent = random_bytes(2'000'000, 7);
  bytes got;
  std::thread reader([&] { got = drain_slowly(p.reader, 10'000); });
  p.writer.write_all(sent);
  p.writer.close();
  reader.join();
  EXPECT_EQ(got, sent);
}

TYPED_TEST(stream, close_wakes_a_plain_thread) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    park_probe waiting;
    std::thread reader([&] {
      std::array<std::byte, 8> b{};
      std::error_code ec;
      waiting.here();
      p.reader.read_some(b, ec);
      EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    });
    waiting.await_parked();
    p.reader.close();
    reader.join();
  });
}

TYPED_TEST(stream, calls_that_are_cut_and_interrupted_lose_nothing) {
  chopping_host outside(seed(), TypeParam::may_be_cut);
  with_runtimes(
      [] {
        auto p = TypeParam::connected();
        const bytes sent = random_bytes(scaled(3'000'000), 3);
        scope s;
        s.spawn([&] {
          p.writer.write_all(sent);
          p.writer.close();
        });
        EXPECT_EQ(drain_slowly(p.reader, 10'000), sent);
        s.join();
      },
      &outside);
}

TYPED_TEST(stream, select_takes_it) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    int fired = 0;
    scope s;
    s.spawn([&] { p.writer.write_all(std::array{std::byte{1}}); });
    select(on_readable(p.reader, [&] { fired = 1; }), after(1h, [&] { fired = 2; }));
    EXPECT_EQ(fired, 1);
    select(on_writable(p.writer, [&] { fired = 3; }), after(1h, [&] { fired = 4; }));
    EXPECT_EQ(fired, 3);
    s.join();
  });
}

TYPED_TEST(stream, release_and_adopt) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::error_code ec;
    std::array<std::byte, 1> b{};
    p.reader.expires_after(0s);
    p.reader.read_some(b, ec);  // registered with the poller
    using reader = decltype(p.reader);
    const int fd = p.reader.release();
    ASSERT_GE(fd, 0);
    auto again = reader::adopt(fd);
    scope s;
    s.spawn([&] { EXPECT_EQ(again.read_some(b), 1U); });
    p.writer.write_all(std::array{std::byte{42}});
    s.join();
    EXPECT_EQ(b[0], std::byte{42});
    EXPECT_EQ(code_of([] { static_cast<void>(reader::adopt(-1)); }), std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(stream, leaves_no_descriptor_behind) {
  with_runtimes([] {
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
      auto p = TypeParam::connected();
      TypeParam::leave_nothing(p);
      std::error_code ec;
      p.reader.expires_after(i % 2 == 0 ? 0ns : 1us);
      std::array<std::byte, 8> b{};
      p.reader.read_some(b, ec);
      p.writer.write_some(b, ec);
      if (i % 3 == 0) p.writer.close();
    }
    EXPECT_EQ(open_descriptors(), before);
    auto p = TypeParam::connected();
    EXPECT_NE(::fcntl(p.reader.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(p.writer.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
  });
}

template <class Kind>
class duplex_stream : public ::testing::Test {};
using duplex_kinds = ::testing::Types<tcp_kind, unix_kind>;
TYPED_TEST_SUITE(duplex_stream, duplex_kinds);

TYPED_TEST(duplex_stream, half_close_leaves_the_other_direction_open) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    p.writer.shutdown_send();
    std::array<std::byte, 8> b{};
    EXPECT_EQ(p.reader.read_some(b), 0U);
    p.reader.write_all(b);
    EXPECT_EQ(p.writer.read_exact(b), 8U);
    EXPECT_EQ(code_of([&] { p.writer.write_all(b); }), std::errc::broken_pipe);
    p.writer.close();
    EXPECT_EQ(code_of([&] { p.writer.shutdown_send(); }), std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(duplex_stream, buffer_sizes) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    p.writer.set_send_buffer(20'000);
    p.writer.set_receive_buffer(30'000);
    EXPECT_GE(p.writer.send_buffer(), 20'000U);
    EXPECT_LE(p.writer.send_buffer(), 40'000U);
    EXPECT_GE(p.writer.receive_buffer(), 30'000U);
    p.writer.close();
    EXPECT_EQ(code_of([&] { p.writer.set_send_buffer(1); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { static_cast<void>(p.writer.send_buffer()); }), std::errc::bad_file_descriptor);
  });
}

}  // namespace
}  // namespace sennit::test

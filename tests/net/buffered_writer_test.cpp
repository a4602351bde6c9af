#include <gtest/gtest.h>

#include <string>

#include <sennit/buffered_writer.hpp>
#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// Takes at most `room` bytes, then a deadline passes.
struct narrow_stream {
  std::size_t room = 0;
  std::string taken = {};
  std::size_t writes = 0;

  std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& = {}) {
    ++writes;
    ec.clear();
    const std::size_t count = std::min(from.size(), room);
    if (count == 0 && !from.empty()) ec = error::deadline_passed;
    taken.append(reinterpret_cast<const char*>(from.data()), count);
    room -= count;
    return count;
  }
  std::size_t write_some(std::span<const std::byte> from, const stop_token& stop = {}) {
    std::error_code ec;
    const std::size_t count = write_some(from, ec, stop);
    if (ec) throw std::system_error(ec, "write_some of narrow");
    return count;
  }
};

/// The same, several buffers at a time.
struct narrow_list_stream : narrow_stream {
  using narrow_stream::write_some;
  std::size_t write_some(detail::buffer_list<std::span<const std::byte>> from, std::error_code& ec,
                         const stop_token& stop = {}) {
    std::string all;
    for (const auto& part : from.list()) all.append(reinterpret_cast<const char*>(part.data()), part.size());
    return write_some(std::as_bytes(std::span(all)), ec, stop);
  }
  std::size_t write_some(detail::buffer_list<std::span<const std::byte>> from, const stop_token& stop = {}) {
    std::error_code ec;
    const std::size_t count = write_some(from, ec, stop);
    if (ec) throw std::system_error(ec, "write_some of narrow");
    return count;
  }
};

TEST(buffered_writer, small_writes_leave_as_one) {
  narrow_stream s{.room = 1000};
  buffered_writer out(s, 16);
  EXPECT_EQ(out.write_all("GET "), 4U);
  EXPECT_EQ(out.write_all("/ HTTP/1.1"), 10U);
  EXPECT_EQ(out.write_all("\r\n"), 2U);
  EXPECT_EQ(s.writes, 0U);
  EXPECT_EQ(out.pending(), 16U);
  out.flush();
  EXPECT_EQ(s.writes, 1U);
  EXPECT_EQ(s.taken, "GET / HTTP/1.1\r\n");
  out.flush();
  EXPECT_EQ(s.writes, 1U) << "nothing is left";
}

template <class Stream>
class buffered_writer_over : public ::testing::Test {};
using narrow_streams = ::testing::Types<narrow_stream, narrow_list_stream>;
TYPED_TEST_SUITE(buffered_writer_over, narrow_streams);

TYPED_TEST(buffered_writer_over, what_does_not_fit_goes_out_with_what_waited) {
  TypeParam s;
  s.room = 1000;
  buffered_writer out(s, 8);
  out.write_all("abc");
  EXPECT_EQ(out.write_all("0123456789"), 10U);
  EXPECT_EQ(s.writes, detail::writes_lists<TypeParam> ? 1U : 2U);
  out.flush();
  EXPECT_EQ(s.taken, "abc0123456789");
}

TYPED_TEST(buffered_writer_over, whatever_is_written_errors_lose_nothing) {
  const std::uint64_t choices = seed();
  for (const std::size_t capacity : {0U, 1U, 7U, 64U}) {
    detail::random_source random(choices);
    TypeParam s;
    buffered_writer out(s, capacity);
    std::string accepted;
    for (std::size_t i = 0; i < scaled(100'000); ++i) {
      std::string next(random.below(200), 'a');
      for (char& c : next) c = static_cast<char>('a' + random.below(26));
      s.room = random.below(150);
      std::error_code ec;
      const std::size_t count = out.write_all(next, ec);
      ASSERT_LE(count, next.size());
      ASSERT_EQ(count < next.size(), ec == std::errc::timed_out);
      accepted += next.substr(0, count);
      if (random.below(3) == 0) out.flush(ec);
      ASSERT_LE(out.pending(), capacity);
      ASSERT_EQ(s.taken.size() + out.pending(), accepted.size());
      s.room = 0;
      if (out.pending() != 0) {
        ASSERT_EQ(code_of([&] { out.flush(); }), std::errc::timed_out);
      }
    }
    s.room = accepted.size();
    out.flush();
    EXPECT_EQ(s.taken, accepted);
  }
}

TEST(buffered_writer, the_destructor_drops_what_is_left) {
  narrow_stream s{.room = 1000};
  {
    buffered_writer out(s);
    out.write_all("never sent");
  }
  EXPECT_EQ(s.writes, 0U);
}

template <class Kind>
class buffered_writer_to : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind, pipe_kind>;
TYPED_TEST_SUITE(buffered_writer_to, kinds);

TYPED_TEST(buffered_writer_to, a_slow_reader_gets_everything_in_order) {
  chopping_host outside(seed(), TypeParam::may_be_cut);
  with_runtimes(
      [] {
        auto p = TypeParam::connected();
        TypeParam::shrink(p);
        const bytes sent = random_bytes(scaled(3'000'000), 5);
        scope s;
        s.spawn([&] {
          detail::random_source random(3);
          buffered_writer out(p.writer, 1000);
          for (std::size_t at = 0; at < sent.size();) {
            const std::size_t size = 1 + random.below(random.below(8) == 0 ? 20'000 : 60);
            const auto part = std::span(sent).subspan(at, std::min(size, sent.size() - at));
            EXPECT_EQ(out.write_all(part), part.size());
            at += part.size();
          }
          out.flush();
          p.writer.close();
        });
        EXPECT_EQ(drain_slowly(p.reader, 3000), sent);
        s.join();
      },
      &outside);
}

TYPED_TEST(buffered_writer_to, deadlines_and_stops_end_its_waits) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    buffered_writer out(p.writer, 100'000);
    bytes much(16 << 20);
    for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<std::byte>(i + (i >> 8) * 3);
    p.writer.expires_after(1ms);
    std::error_code ec;
    std::size_t taken = out.write_all(much, ec);
    EXPECT_EQ(ec, error::deadline_passed);
    EXPECT_LT(taken, much.size());
    p.writer.expires_never();

    for (const bool ambient : {false, true}) {
      stop_source source;
      park_probe writing;
      scope s(on_exception::log);
      s.spawn([&] {
        std::error_code code;
        writing.here();
        taken += out.write_all(std::span(much).subspan(taken), code, ambient ? stop_token() : source.get_token());
        EXPECT_EQ(code, std::errc::operation_canceled);
      });
      writing.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
    }

    scope s;
    s.spawn([&] {
      out.write_all(std::span(much).subspan(taken));
      out.flush();
      p.writer.close();
    });
    EXPECT_EQ(drain_slowly(p.reader, 100'000), much);
    s.join();
  });
}

}  // namespace
}  // namespace sennit::test

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include <sennit/buffered_reader.hpp>
#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

/// Gives one piece for each read, then the end; an empty piece is a deadline that passes.
struct scripted_stream {
  std::deque<std::string> pieces;
  std::size_t reads = 0;

  std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& = {}) {
    ++reads;
    ec.clear();
    if (pieces.empty()) return 0;
    std::string& piece = pieces.front();
    if (piece.empty()) ec = error::deadline_passed;
    const std::size_t count = std::min(into.size(), piece.size());
    std::memcpy(into.data(), piece.data(), count);
    piece.erase(0, count);
    if (piece.empty()) pieces.pop_front();
    return count;
  }
  std::size_t read_some(std::span<std::byte> into, const stop_token& stop = {}) {
    std::error_code ec;
    const std::size_t count = read_some(into, ec, stop);
    if (ec) throw std::system_error(ec, "read_some of scripted");
    return count;
  }
};

TEST(buffered_reader, lines_end_in_either_way) {
  scripted_stream s{.pieces = {"one\ntw", "o\r", "\n\n\r\nlast"}};
  buffered_reader in(s);
  EXPECT_EQ(in.read_line(), "one");
  EXPECT_EQ(in.read_line(), "two");
  EXPECT_EQ(in.read_line(), "");
  EXPECT_EQ(in.read_line(), "");
  EXPECT_EQ(in.read_line(), "last");
  EXPECT_EQ(in.read_line(), std::nullopt);
  EXPECT_EQ(in.read_line(), std::nullopt) << "again and again";
}

TEST(buffered_reader, a_line_of_the_limit_fits_and_a_longer_one_loses_nothing) {
  const std::string fits = std::string(9'999, 'a') + "\n";
  for (const std::size_t cut : {1U, 100U, 5'000U, 20'000U}) {
    const std::string all = fits + std::string(10'000, 'b') + "\n" + fits;
    scripted_stream s;
    for (std::size_t at = 0; at < all.size(); at += cut) s.pieces.push_back(all.substr(at, cut));
    buffered_reader in(s, 10'000);
    EXPECT_EQ(in.read_line()->size(), 9'999U);
    std::error_code ec;
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(in.read_line(ec), std::nullopt);
      EXPECT_EQ(ec, std::errc::message_size);
      EXPECT_EQ(code_of([&] { in.read_line(); }), std::errc::message_size);
      EXPECT_EQ(text_of(in.buffered()), std::string(10'000, 'b'));
    }
    in.consume(10'000);
    EXPECT_EQ(in.read_line(ec), "");
    EXPECT_FALSE(ec);
    EXPECT_EQ(in.read_until('\n'), fits);
    EXPECT_EQ(in.read_until('\n'), "");
  }
}

TEST(buffered_reader, delimiters_are_found_wherever_they_are_cut) {
  const std::string all = "aaaab\r\n\r\nx\r\n\r\r\n\r\nno end";
  for (std::size_t cut = 1; cut <= all.size(); ++cut) {
    scripted_stream s;
    for (std::size_t at = 0; at < all.size(); at += cut) s.pieces.push_back(all.substr(at, cut));
    buffered_reader in(s);
    EXPECT_EQ(in.read_until("aab"), "aaaab");
    EXPECT_EQ(in.read_until("\r\n\r\n"), "\r\n\r\n");
    EXPECT_EQ(in.read_until("\r\n\r\n"), "x\r\n\r\r\n\r\n");
    std::error_code ec;
    EXPECT_EQ(in.read_until("", ec), "");
    EXPECT_EQ(ec, std::errc::invalid_argument);
    EXPECT_EQ(in.read_until("\r\n", ec), "no end");
    EXPECT_FALSE(ec);
  }
}

TEST(buffered_reader, peek_leaves_what_it_shows) {
  scripted_stream s{.pieces = {"ab", "cd", "ef"}};
  buffered_reader in(s, 5);
  EXPECT_EQ(text_of(in.peek(0)), "");
  EXPECT_EQ(s.reads, 0U);
  EXPECT_EQ(text_of(in.peek(3)), "abcd");
  EXPECT_EQ(s.reads, 2U);
  EXPECT_EQ(text_of(in.peek(1)), "abcd");
  std::error_code ec;
  EXPECT_EQ(in.peek(6, ec).size(), 0U);
  EXPECT_EQ(ec, std::errc::message_size);
  EXPECT_EQ(code_of([&] { in.peek(6); }), std::errc::message_size);
  in.consume(3);
  EXPECT_EQ(text_of(in.peek(5, ec)), "def") << "fewer at the end only";
  EXPECT_FALSE(ec);
  in.consume(100);
  EXPECT_EQ(in.peek(1).size(), 0U);
}

TEST(buffered_reader, errors_lose_nothing) {
  const std::deque<std::string> script{"ab", "", "c", "", "\n", "", "1", "", "23", "", "45"};
  scripted_stream s{.pieces = script};
  buffered_reader in(s);
  std::error_code ec;
  EXPECT_EQ(in.read_line(ec), std::nullopt);
  EXPECT_EQ(ec, std::errc::timed_out);
  EXPECT_EQ(text_of(in.buffered()), "ab");
  EXPECT_EQ(code_of([&] { in.read_until('\n'); }), error::deadline_passed);
  EXPECT_EQ(in.read_line(), "abc");
  EXPECT_EQ(code_of([&] { in.peek(1); }), error::deadline_passed);
  std::array<std::byte, 8> into{};
  EXPECT_EQ(in.read_exact(into, ec), 1U);
  EXPECT_EQ(ec, std::errc::timed_out);
  EXPECT_EQ(into[0], std::byte{'1'});
  EXPECT_EQ(in.peek(2, ec).size(), 2U);
  EXPECT_EQ(in.read_exact(into, ec), 2U);
  EXPECT_EQ(ec, std::errc::timed_out);
  EXPECT_EQ(in.read_exact(into, ec), 2U);
  EXPECT_EQ(ec, error::end_of_stream);
  EXPECT_EQ(code_of([&] { in.read_exact(into); }), error::end_of_stream);
  EXPECT_EQ(in.read_exact({}), 0U);
}

TEST(buffered_reader, errors_of_the_stream_keep_their_text) {
  scripted_stream s{.pieces = {""}};
  buffered_reader in(s);
  try {
    in.read_line();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_NE(std::string(e.what()).find("read_some of scripted"), std::string::npos) << e.what();
  }
}

TEST(buffered_reader, large_reads_pass_the_buffer) {
  scripted_stream s{.pieces = {std::string(100'000, 'a') + "b"}};
  buffered_reader in(s, 16);
  bytes into(100'000);
  EXPECT_EQ(in.read_exact(into), into.size());
  EXPECT_EQ(s.reads, 1U);
  EXPECT_EQ(text_of(in.peek(1)), "b");
  EXPECT_EQ(in.read_some(into), 1U);
  EXPECT_EQ(in.read_some(into), 0U);
}

template <class Kind>
class buffered_reader_over : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind, pipe_kind>;
TYPED_TEST_SUITE(buffered_reader_over, kinds);

TYPED_TEST(buffered_reader_over, whatever_is_asked_for_all_bytes_come_in_order) {
  chopping_host outside(seed(), TypeParam::may_be_cut);
  const std::uint64_t choices = seed();
  with_runtimes(
      [choices] {
        auto p = TypeParam::connected();
        bytes sent = random_bytes(scaled(3'000'000), 7);
        for (auto& b : sent) b = static_cast<std::byte>('\n' + std::to_integer<int>(b) % 97);  // lines of 97 or so
        scope s;
        s.spawn([&] {
          p.writer.write_all(sent);
          p.writer.close();
        });
        detail::random_source random(choices);
        buffered_reader in(p.reader, 8192);
        bytes got;
        const auto add = [&](std::span<const std::byte> more) { got.insert(got.end(), more.begin(), more.end()); };
        bytes room(10'000);
        for (bool more = true; more;) {
          const std::size_t size = 1 + random.below(random.below(4) == 0 ? 8000 : 50);
          switch (random.below(5)) {
            case 0: {
              const std::string_view line = in.read_until('\n');
              more = !line.empty();
              add(bytes_of(line));
              break;
            }
            case 1: {
              const auto seen = in.peek(size);
              more = !seen.empty();
              const auto part = seen.first(std::min<std::size_t>(seen.size(), random.below(9000)));
              add(part);
              in.consume(part.size());
              break;
            }
            case 2: {
              std::error_code ec;
              add(std::span(room).first(in.read_exact(std::span(room).first(size), ec)));
              more = !ec;
              break;
            }
            default: {
              const auto part = std::span(room).first(in.read_some(std::span(room).first(size)));
              more = !part.empty();
              add(part);
            }
          }
        }
        s.join();
        EXPECT_EQ(got, sent);
      },
      &outside);
}

TYPED_TEST(buffered_reader_over, deadlines_stops_and_close_end_its_waits) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    buffered_reader in(p.reader);
    p.writer.write_all(bytes_of("half a "));
    std::error_code ec;
    in.peek(1);
    p.reader.expires_after(1ms);
    EXPECT_EQ(in.read_line(ec), std::nullopt);
    EXPECT_EQ(ec, error::deadline_passed);
    p.reader.expires_never();

    for (const bool ambient : {false, true}) {
      stop_source source;
      park_probe reading;
      scope s(on_exception::log);
      s.spawn([&] {
        std::error_code code;
        reading.here();
        in.read_until("\n", code, ambient ? stop_token() : source.get_token());
        EXPECT_EQ(code, std::errc::operation_canceled);
      });
      reading.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
    }
    p.writer.write_all(bytes_of("line\nand"));
    EXPECT_EQ(in.read_line(), "half a line");

    park_probe reading;
    scope s;
    s.spawn([&] {
      std::error_code code;
      reading.here();
      in.read_line(code);
      EXPECT_EQ(code, std::errc::bad_file_descriptor);
    });
    reading.await_parked();
    p.reader.close();
    s.join();
    EXPECT_EQ(text_of(in.buffered()), "and");
  });
}

}  // namespace
}  // namespace sennit::test

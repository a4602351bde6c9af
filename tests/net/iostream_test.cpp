#include <gtest/gtest.h>

#include <iomanip>
#include <ios>
#include <string>

#include <sennit/iostream.hpp>
#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

template <class Kind>
class iostream_over : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind>;
TYPED_TEST_SUITE(iostream_over, kinds);

TYPED_TEST(iostream_over, questions_and_answers) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    scope s;
    s.spawn([&] {
      iostream server(p.reader);
      for (std::string line; std::getline(server, line);)
        server << line.size() << ' ' << std::quoted(line) << std::endl;
      EXPECT_TRUE(server.eof());
      EXPECT_FALSE(server.bad());
      p.reader.shutdown_send();
    });
    {
      iostream client(p.writer);
      for (int i = 0; i < 100; ++i) {
        client << "question " << i << '\n';  // goes out because the answer is waited for
        std::size_t size = 0;
        std::string back;
        ASSERT_TRUE(client >> size >> std::quoted(back));
        EXPECT_EQ(back, "question " + std::to_string(i));
        EXPECT_EQ(size, back.size());
      }
      client << "the destructor sends the last one\n";
    }
    p.writer.shutdown_send();
    iostream client(p.writer);
    std::string last;
    EXPECT_TRUE(std::getline(client, last));
    EXPECT_EQ(last, "33 \"the destructor sends the last one\"");
    EXPECT_FALSE(std::getline(client, last));
    EXPECT_TRUE(client.eof());
    EXPECT_FALSE(client.error());
    s.join();
  });
}

TYPED_TEST(iostream_over, large_texts_pass_both_ways_at_once) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::string text(scaled(5'000'000), 'x');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * i % 26);
    scope s;
    s.spawn([&] {
      iostream out(p.writer);
      EXPECT_TRUE(out << text << std::flush);
      p.writer.shutdown_send();
    });
    iostream in(p.reader);
    std::string got;
    ASSERT_TRUE(in >> got);
    EXPECT_EQ(got, text);
    s.join();
  });
}

TYPED_TEST(iostream_over, an_error_of_a_read_is_badbit_and_loses_nothing) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    p.writer.write_all(std::as_bytes(std::span("half", 4)));
    iostream in(p.reader);
    EXPECT_EQ(in.peek(), 'h');
    p.reader.expires_after(1ms);
    std::string word;
    EXPECT_FALSE(in.ignore(5));
    EXPECT_TRUE(in.bad());
    EXPECT_FALSE(in.eof()) << "an end it is not";
    EXPECT_EQ(in.error(), error::deadline_passed);

    in.clear();
    in.exceptions(std::ios::badbit);
    EXPECT_EQ(code_of([&] { in >> word; }), error::deadline_passed) << "what the stream threw";
    EXPECT_EQ(word, "");
    in.clear();
    p.reader.expires_never();
    p.writer.write_all(std::as_bytes(std::span("word ", 5)));
    EXPECT_TRUE(in >> word);
    EXPECT_EQ(word, "word");
    EXPECT_FALSE(in.error());
  });
}

TYPED_TEST(iostream_over, an_error_of_a_write_is_badbit_and_loses_nothing) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    TypeParam::shrink(p);
    iostream out(p.writer);
    p.writer.expires_after(1ms);
    const std::string block(1000, 'x');
    std::size_t blocks = 0;
    while (out << block) ++blocks;  // the last one is lost in part: << does not tell how much it took
    EXPECT_TRUE(out.bad());
    EXPECT_EQ(out.error(), error::deadline_passed);
    out.clear();
    EXPECT_FALSE(out << std::flush);
    EXPECT_EQ(out.error(), error::deadline_passed);
    out.clear();
    out.exceptions(std::ios::badbit);
    EXPECT_THROW(out << std::flush, std::ios::failure);
    out.clear();
    EXPECT_EQ(code_of([&] { out << block + block + block + block + block; }), error::deadline_passed);

    out.clear();
    p.writer.expires_never();
    scope s;
    s.spawn([&] { EXPECT_GE(drain_slowly(p.reader).size(), blocks * block.size()); });
    EXPECT_TRUE(out << std::flush);
    p.writer.shutdown_send();
    s.join();
  });
}

TYPED_TEST(iostream_over, unitbuf_and_a_peer_that_is_gone) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    iostream out(p.writer);
    out << std::unitbuf << "at once";
    std::array<std::byte, 7> b{};
    EXPECT_EQ(p.reader.read_exact(b), 7U);
    p.writer.shutdown_send();
    EXPECT_FALSE(out << "nobody");
    EXPECT_EQ(out.error(), std::errc::broken_pipe);
  });
}

TYPED_TEST(iostream_over, stops_end_its_waits) {
  with_runtimes([] {
    for (const bool ambient : {false, true}) {
      auto p = TypeParam::connected();
      stop_source source;
      park_probe reading;
      scope s(on_exception::log);
      s.spawn([&] {
        iostream in(p.reader, ambient ? stop_token() : source.get_token());
        reading.here();
        EXPECT_EQ(in.get(), std::char_traits<char>::eof());
        EXPECT_TRUE(in.bad());
        EXPECT_EQ(in.error(), std::errc::operation_canceled);
      });
      reading.await_parked();
      ambient ? s.request_stop() : static_cast<void>(source.request_stop());
      s.join();
    }
  });
}

TYPED_TEST(iostream_over, unget_reaches_back_over_a_read) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    iostream in(p.reader);
    for (const char c : {'a', 'b', 'c'}) {
      p.writer.write_all(std::as_bytes(std::span(&c, 1)));
      EXPECT_EQ(in.get(), c);
    }
    EXPECT_TRUE(in.unget().unget().unget());
    std::array<char, 3> again{};
    EXPECT_TRUE(in.read(again.data(), 3));
    EXPECT_EQ(again, (std::array{'a', 'b', 'c'}));
    EXPECT_FALSE(in.unget().unget().unget().unget());
  });
}

TEST(iostream, an_end_of_a_pipe_goes_one_way) {
  with_runtimes([] {
    auto p = sennit::pipe::open();
    iostream out(p.writer);
    iostream in(p.reader);
    out << 1.5 << ' ' << true << std::flush;
    EXPECT_EQ(out.get(), std::char_traits<char>::eof());
    p.writer.close();
    double number = 0;
    bool truth = false;
    EXPECT_TRUE(in >> number >> truth);
    EXPECT_EQ(number, 1.5);
    EXPECT_TRUE(truth);
    in.clear();
    EXPECT_FALSE(in << std::string(5000, 'x'));
  });
}

TEST(iostream, fibers_of_several_workers_format_at_once) {
  sennit::run(sennit::options{.workers = 4, .stall_threshold = {}, .force_migrate = true}, [] {
    scope all;
    for (int i = 0; i < 50; ++i) {
      all.spawn([i] {
        auto [a, b] = unix_stream::pair();
        iostream left(a);
        iostream right(b);
        right << std::hex << std::showbase;
        scope s;
        s.spawn([&] {
          int number = 0;
          while (left >> number) left << number + 1 << '\n' << std::flush;
        });
        for (int k = 0; k < 20; ++k) {
          right << std::dec << i * 100 + k << '\n';
          int answer = 0;
          ASSERT_TRUE(right >> answer);
          EXPECT_EQ(answer, i * 100 + k + 1);
        }
        b.shutdown_send();
        s.join();
      });
    }
    all.join();
  });
}

}  // namespace
}  // namespace sennit::test

// Hazard 13: descriptors come and go while others are used, so that their numbers are always those of somebody who has
// just left. Each connection has a text of its own; one byte of another's fails the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#include "net/tagged_bytes.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

class reuse_storm : public runtimes {};
INSTANTIATE_RUNTIMES(reuse_storm);

/// How one connection goes: drawn before it begins, because two fibers have their part in it.
struct life {
  explicit life(detail::random_source& random)
      : bytes(random.below(6) == 0 ? 20'000 : random.below(300)),
        reads(random.below(4) == 0 ? random.below(200) : 100'000),
        closes_beside(random.below(4) == 0),
        late(random.below(4) == 0),
        seed(random.next()) {}
  std::size_t bytes;   // that are written
  std::size_t reads;   // after so many bytes the reader leaves, whatever is under way
  bool closes_beside;  // a third one closes the reader at some time
  bool late;           // the reader is registered, and has been woken for nothing, before the first byte
  std::uint32_t seed;
};

bool gone(const std::error_code& ec) {
  return ec == std::errc::broken_pipe || ec == std::errc::connection_reset || ec == std::errc::bad_file_descriptor;
}

template <class Writer>
void write_life(Writer& to, const life& l, tagged_bytes text) {
  detail::random_source random(l.seed);
  std::array<std::byte, 700> piece{};
  for (std::size_t left = l.bytes; left > 0;) {
    const auto part = std::span(piece).first(std::min<std::size_t>(left, 1 + random.below(700)));
    text.fill(part);
    std::error_code ec;
    to.write_all(part, ec);
    if (ec) {
      EXPECT_TRUE(gone(ec)) << ec.message();
      break;
    }
    left -= part.size();
  }
  to.close();
}

template <class Reader>
void read_life(Reader& from, const life& l, tagged_bytes text) {
  detail::random_source random(l.seed + 1);
  std::array<std::byte, 900> room{};
  std::error_code ec;
  if (l.late) {
    from.expires_at(std::chrono::steady_clock::time_point());
    const std::size_t n = from.read_some(room, ec);
    EXPECT_TRUE(text.matches(std::span(room).first(n))) << "a byte of another connection";
    from.expires_never();
  }
  while (text.count() < l.reads) {
    const std::size_t n = from.read_some(std::span(room).first(1 + random.below(900)), ec);
    ASSERT_TRUE(text.matches(std::span(room).first(n))) << "a byte of another connection";
    if (n > 0) continue;
    EXPECT_TRUE(!ec || gone(ec)) << ec.message();
    if (!ec) {
      EXPECT_EQ(text.count(), l.bytes) << "it ended before its end";
    }
    break;
  }
  from.close();
}

/// One connection of a kind, from its opening to its end.
template <class Kind>
void live(detail::random_source& random, std::uint64_t tag) {
  auto e = Kind::connected();
  Kind::leave_nothing(e);
  const life l(random);
  scope s;
  s.spawn([&] { write_life(e.writer, l, tagged_bytes(tag)); });
  if (l.closes_beside) {
    s.spawn([&] {
      for (auto i = l.seed % 8; i > 0; --i) this_fiber::yield();
      e.reader.close();
    });
  }
  read_life(e.reader, l, tagged_bytes(tag));
  s.join();
}

/// Two messages each way: the second sender is the one that the first message named.
void exchange_messages(std::uint64_t tag) {
  auto a = udp_socket::bind("127.0.0.1:0");
  auto b = udp_socket::bind("127.0.0.1:0");
  std::array<std::byte, 64> out{};
  std::array<std::byte, 64> in{};
  tagged_bytes(tag).fill(out);
  const socket_address to(b.local_endpoint());
  scope s;
  s.spawn([&] {
    socket_address from;
    EXPECT_EQ(b.receive_from(in, from).size, in.size());
    EXPECT_TRUE(tagged_bytes(tag).matches(in)) << "a byte of another connection";
    b.send_to(in, from);
  });
  a.send_to(out, to);
  std::array<std::byte, 64> back{};
  EXPECT_EQ(a.receive(back).size, back.size());
  EXPECT_TRUE(tagged_bytes(tag).matches(back)) << "a byte of another connection";
  s.join();
}

TEST_P(reuse_storm, no_byte_reaches_the_wrong_connection) {
  constexpr std::size_t fibers = 16;
  constexpr std::size_t opens_of_one = 2;  // at least
  const std::uint64_t start = seed();
  const std::size_t rounds = std::max<std::size_t>(scaled(1'000'000) / opens_of_one / fibers / 3, 1);
  run([&] {
    const std::size_t before = open_descriptors();
    scope s;
    for (std::size_t f = 0; f < fibers; ++f) {
      s.spawn([=] {
        detail::random_source random(start + f);
        for (std::size_t i = 0; i < rounds && !HasFailure(); ++i) {
          const std::uint64_t tag = (std::uint64_t{random.next()} << 32) | (f << 24) | (i & 0xffffff);
          switch (random.below(8)) {
            case 0: live<tcp_kind>(random, tag); break;
            case 1: exchange_messages(tag); break;
            case 2:
            case 3:
            case 4: live<pipe_kind>(random, tag); break;
            default: live<unix_kind>(random, tag);
          }
        }
      });
    }
    s.join();
    EXPECT_EQ(open_descriptors(), before);
  });
}

}  // namespace
}  // namespace sennit::test

// Peers as they come: slow, rude, half gone. The server answers what it reads; whoever is at the other end, its fibers
// end, its descriptors are closed, and who behaves gets all that is his.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "net/streams.hpp"
#include "net/tagged_bytes.hpp"
#include "net/unix_names.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

struct tcp_listener_kind {
  using listener = sennit::tcp_listener;
  using stream = tcp_stream;
  static listener bind() { return listener::bind("127.0.0.1:0"); }
  static void reset_on_close(stream& s) { s.set_linger(0s); }
  /// A reset that the network drops is not sent again: who only reads has to ask whether anybody is there.
  static void notice_lost_resets(stream& s) { s.set_keepalive(keepalive{.idle = 1s, .interval = 1s, .count = 20}); }
  static bool reset(const std::error_code& ec) { return ec == std::errc::connection_reset; }
};
struct unix_listener_kind {
  using listener = unix_listener;
  using stream = unix_stream;
  static listener bind() { return listener::bind(abstract_name()); }
  static void reset_on_close(stream&) {}  // it does so if bytes are left unread
  static void notice_lost_resets(stream&) {}
  static bool reset(const std::error_code& ec) { return ec == std::errc::connection_reset; }
};

template <class Kind>
class peers : public ::testing::Test {
 protected:
  /// An echo server around `clients(endpoint)`: all its connections end, with nothing but what peers can do to it.
  template <class F>
  static void serve(F&& clients) {
    const std::size_t before = open_descriptors();
    {
      auto listener = Kind::bind();
      const endpoint at = listener.local_endpoint();
      scope servers;
      servers.spawn([&] {
        std::error_code ec;
        for (;;) {
          auto s = listener.accept(ec);
          if (ec) break;
          servers.spawn([s = std::move(s)]() mutable { echo(s); });
        }
        EXPECT_EQ(ec, std::errc::bad_file_descriptor);
      });
      clients(at);
      listener.close();
      servers.join();
    }
    EXPECT_EQ(open_descriptors(), before);
  }

 private:
  static void echo(typename Kind::stream& s) {
    bytes room(8000);
    std::error_code ec;
    Kind::notice_lost_resets(s);
    for (;;) {
      const std::size_t n = s.read_some(room, ec);
      if (n == 0) break;
      s.write_all(std::span(room).first(n), ec);
      if (ec) break;
    }
    EXPECT_TRUE(!ec || Kind::reset(ec) || ec == std::errc::broken_pipe) << ec.message();
    if (!ec) s.shutdown_send(ec);
  }
};
using listener_kinds = ::testing::Types<tcp_listener_kind, unix_listener_kind>;
TYPED_TEST_SUITE(peers, listener_kinds);

/// What a client does after it has sent something.
enum class manner : std::uint8_t {
  good,
  half_closes,
  slow_to_read,
  slow_to_write,
  leaves,
  leaves_unread,
  resets,
  never_reads
};
constexpr std::uint32_t manners = 8;

/// Reads until the end; what comes is the text that was sent, `most` bytes at a time.
template <class Stream>
std::size_t read_back(Stream& s, tagged_bytes& text, std::size_t most) {
  bytes room(most);
  std::error_code ec;
  std::size_t all = 0;
  while (const std::size_t n = s.read_some(room, ec)) {
    EXPECT_TRUE(text.matches(std::span(room).first(n))) << "not what was sent";
    all += n;
    if (most < 100) this_fiber::yield();
  }
  EXPECT_FALSE(ec) << ec.message();
  return all;
}

template <class Kind>
void visit(const endpoint& at, detail::random_source& random, std::uint64_t tag) {
  auto s = Kind::stream::connect(at);
  const auto how = static_cast<manner>(random.below(manners));
  const std::size_t size =
      how == manner::slow_to_read || how == manner::slow_to_write ? random.below(300) : random.below(60'000);
  bytes out(size);
  tagged_bytes(tag).fill(out);
  tagged_bytes back(tag);
  scope both;
  std::error_code ec;
  const auto send_all_beside = [&](std::size_t step) {
    both.spawn([&s, &out, step] {
      for (std::size_t at_byte = 0; at_byte < out.size(); at_byte += step) {
        s.write_all(std::span(out).subspan(at_byte, std::min(step, out.size() - at_byte)));
        if (step == 1) this_fiber::yield();
      }
      s.shutdown_send();
    });
  };
  switch (how) {
    case manner::good:
    case manner::half_closes:
      send_all_beside(how == manner::good ? 5000 : out.size() + 1);
      EXPECT_EQ(read_back(s, back, 3000), size);
      break;
    case manner::slow_to_read:
      send_all_beside(out.size() + 1);
      EXPECT_EQ(read_back(s, back, 1), size);
      break;
    case manner::slow_to_write:
      send_all_beside(1);
      EXPECT_EQ(read_back(s, back, 200), size);
      break;
    case manner::leaves: s.write_all(std::span(out).first(std::min<std::size_t>(size, 1000)), ec); break;
    case manner::leaves_unread:
      s.write_all(std::span(out).first(std::min<std::size_t>(size, 1000)), ec);
      for (auto i = random.below(10); i > 0; --i) this_fiber::yield();  // the answer comes, or not yet
      break;
    case manner::resets:
      Kind::reset_on_close(s);
      s.write_all(std::span(out).first(std::min<std::size_t>(size, 1000)), ec);
      break;
    case manner::never_reads: {
      // Until nothing goes any more: both sides' buffers are full, the server waits to write.
      s.expires_at(std::chrono::steady_clock::now() + 2ms);
      const bytes much(1 << 16);
      while (!ec) s.write_some(much, ec);
      EXPECT_EQ(ec, error::deadline_passed) << ec.message();
    }
  }
  both.join();
}

TYPED_TEST(peers, slow_rude_and_gone_ones) {
  const std::uint64_t start = seed();
  with_runtimes([&] {
    TestFixture::serve([&](const endpoint& at) {
      constexpr std::size_t fibers = 24;
      const std::size_t rounds = std::max<std::size_t>(scaled(30'000) / fibers / 3, 1);
      scope clients;
      for (std::size_t f = 0; f < fibers; ++f) {
        clients.spawn([=] {
          detail::random_source random(start + f);
          for (std::size_t i = 0; i < rounds; ++i)
            visit<TypeParam>(at, random, (std::uint64_t{random.next()} << 32) | (f << 24) | (i & 0xffffff));
        });
      }
      clients.join();
    });
  });
}

/// A system in which a process has `most` sockets. (With the real limit UBSan is out of descriptors, too, and then
/// takes all memory for unreadable.)
class small_system final : public detail::host {
 public:
  explicit small_system(std::ptrdiff_t most) : left_(most) {}
  void add(std::ptrdiff_t n) noexcept { left_ += n; }

  int socket(int family, int type, int protocol) noexcept override {
    return one_more([&] { return host::socket(family, type, protocol); });
  }
  int accept(int fd, sockaddr* address, socklen_t* size) noexcept override {
    return one_more([&] { return host::accept(fd, address, size); });
  }
  int close(int fd) noexcept override {
    ++left_;
    return host::close(fd);
  }

 private:
  template <class Open>
  int one_more(Open&& open) noexcept {
    int result = -EMFILE;
    if (--left_ >= 0) result = open();
    if (result < 0) ++left_;
    return result;
  }
  std::atomic<std::ptrdiff_t> left_;
};

TYPED_TEST(peers, as_many_connections_as_the_limit_allows) {
  // A client that is refused is told so; a listener that is out of descriptors leaves connections in its backlog and
  // takes them when others have gone.
  const auto limit = static_cast<std::ptrdiff_t>(std::max<std::size_t>(scaled(20'000), 200));
  testing::internal::CaptureStderr();  // it logs that it is out of descriptors
  small_system small(limit);
  with_runtimes(
      [&] {
        TestFixture::serve([&](const endpoint& at) {
          std::vector<typename TypeParam::stream> held;
          held.reserve(static_cast<std::size_t>(limit));
          std::error_code ec;
          for (;;) {
            auto s = TypeParam::stream::connect(at, std::chrono::steady_clock::now() + 2s, ec);
            if (ec) break;
            TypeParam::reset_on_close(s);
            held.push_back(std::move(s));
          }
          // Or the last descriptor is that of a client, whose listener has no room for him, and none to make any.
          EXPECT_TRUE(ec == std::errc::too_many_files_open || ec == error::deadline_passed) << ec.message();
          EXPECT_GT(held.size(), static_cast<std::size_t>(limit / 3));
          // Each of the first ones works: their other ends are there. Then those make room that were last.
          held.resize(held.size() - held.size() / 8);
          small.add(limit);
          for (auto& s : held) {
            std::array<std::byte, 4> b{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
            s.write_all(b, ec);
            ASSERT_FALSE(ec) << ec.message();
            b = {};
            ASSERT_EQ(s.read_exact(b, ec), 4U) << ec.message();
            ASSERT_EQ(b[3], std::byte{4});
          }
          small.add(-limit);
        });
      },
      &small);
  static_cast<void>(testing::internal::GetCapturedStderr());
}

}  // namespace
}  // namespace sennit::test

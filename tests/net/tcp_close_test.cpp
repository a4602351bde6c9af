// A descriptor that goes while others use it: close, reuse of its number, release, the end of its runtime.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "net/connected.hpp"
#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class tcp_close : public runtimes {};
INSTANTIATE_RUNTIMES(tcp_close);

TEST_P(tcp_close, close_wakes_readers_writers_and_acceptors) {
  // Hazard 12, from a fiber and from a plain thread.
  run([] {
    for (const bool from_thread : {false, true}) {
      for (std::size_t i = 0; i < scaled(1000); ++i) {
        pair p = connected();
        auto listener = tcp_listener::bind("127.0.0.1:0");
        const auto close_all = [&] {
          p.server.close();
          listener.close();
        };
        std::atomic<int> waiting{0};
        sennit::scope s;
        s.spawn([&] {
          std::array<std::byte, 8> b{};
          std::error_code ec;
          ++waiting;
          p.server.read_some(b, ec);
          EXPECT_EQ(ec, std::errc::bad_file_descriptor);
        });
        s.spawn([&] {
          std::error_code ec;
          const bytes much(1 << 20);
          ++waiting;
          while (!ec) p.server.write_all(much, ec);
          EXPECT_EQ(ec, std::errc::bad_file_descriptor);
        });
        s.spawn([&] {
          std::error_code ec;
          ++waiting;
          EXPECT_FALSE(listener.accept(ec).is_open());
          EXPECT_EQ(ec, std::errc::bad_file_descriptor);
        });
        while (waiting < 3) sennit::this_fiber::yield();
        if (from_thread) {
          std::thread(close_all).join();
        } else {
          close_all();
        }
        s.join();
        EXPECT_FALSE(p.server.is_open());
        EXPECT_EQ(p.server.native_handle(), -1);
      }
    }
  });
}

/// Holds one recv back, right before the system call.
class holding_host final : public detail::host {
 public:
  std::ptrdiff_t recv(int fd, void* data, std::size_t size) noexcept override {
    if (hold.exchange(false)) {
      held = true;
      while (held) std::this_thread::yield();
    }
    return host::recv(fd, data, size);
  }
  std::atomic<bool> hold{false};
  std::atomic<bool> held{false};
};

TEST_P(tcp_close, the_number_stays_taken_while_a_call_is_under_way) {
  // Hazard 13: closed and reused between the look at the handle and the system call, it would read a stranger's byte.
  holding_host outside;
  sennit::run(sennit::options{.workers = GetParam(), .stall_threshold = {}, .host = &outside}, [&] {
    pair p = connected();
    const int number = p.server.native_handle();
    fd_pair foreign;
    outside.hold = true;
    std::thread other([&] {
      while (!outside.held) std::this_thread::yield();
      p.server.close();
      foreign = unix_pair();  // gets the lowest numbers that are free
      EXPECT_EQ(::write(foreign.b.get(), "x", 1), 1);
      outside.held = false;
    });
    std::array<std::byte, 1> b{};
    std::error_code ec;
    EXPECT_EQ(p.server.read_some(b, ec), 0U);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    other.join();
    EXPECT_NE(foreign.a.get(), number);
    EXPECT_EQ(::read(foreign.a.get(), b.data(), 1), 1);
    // Now it is closed, and given to one of the next. UBSan has pipes of its own for a moment, on any thread.
    std::vector<fd_pair> next;
    while (next.size() < 16 && (next.empty() || (next.back().a.get() != number && next.back().b.get() != number))) {
      next.push_back(unix_pair());
    }
    EXPECT_LT(next.size(), 16U) << "closed, once nobody used it";
  });
}

TEST_P(tcp_close, release_gives_the_descriptor_away) {
  run([] {
    pair p = connected();
    const int fd = p.server.release();
    ASSERT_GE(fd, 0);
    EXPECT_FALSE(p.server.is_open());
    std::error_code ec;
    std::array<std::byte, 1> b{};
    p.server.read_some(b, ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    auto again = tcp_stream::adopt(fd);
    p.client.write_all(std::array{std::byte{42}});
    EXPECT_EQ(again.read_some(b), 1U);
    EXPECT_EQ(b[0], std::byte{42});
  });
}

TEST_P(tcp_close, released_listener_can_be_adopted) {
  run([] {
    auto first = tcp_listener::bind("127.0.0.1:0");
    const endpoint at = first.local_endpoint();
    auto again = tcp_listener::adopt(first.release());
    EXPECT_FALSE(first.is_open());
    auto client = tcp_stream::connect(at);
    EXPECT_EQ(again.accept().remote_endpoint(), client.local_endpoint());
    EXPECT_EQ(code_of([] { static_cast<void>(tcp_listener::adopt(-1)); }), std::errc::bad_file_descriptor);
  });
}

TEST_P(tcp_close, stream_outlives_the_runtime_that_registered_it) {
  pair p;
  run([&] {
    p = connected();
    std::array<std::byte, 1> b{};
    p.server.expires_after(1ms);
    std::error_code ec;
    p.server.read_some(b, ec);  // registers it with this runtime's poller
    p.server.expires_never();
  });
  run([&] {
    sennit::scope s;
    std::array<std::byte, 1> b{};
    s.spawn([&] { EXPECT_EQ(p.server.read_some(b), 1U); });
    p.client.write_all(std::array{std::byte{7}});
    s.join();
    EXPECT_EQ(b[0], std::byte{7});
  });
}

}  // namespace
}  // namespace sennit::test

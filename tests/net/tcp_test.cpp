// tcp_stream and tcp_listener: what they promise, deadlines and errors.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <random>
#include <string>
#include <thread>

#include <sennit/sennit.hpp>

#include "net/address.hpp"
#include "net/connected.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class tcp : public runtimes {};
INSTANTIATE_RUNTIMES(tcp);

TEST_P(tcp, bytes_arrive_in_order_and_whole) {
  run([] {
    pair p = connected();
    const bytes sent = random_bytes(3'000'000, 1);
    bytes got;
    sennit::scope s;
    s.spawn([&] {
      p.client.write_all(sent);
      p.client.shutdown_send();
    });
    s.spawn([&] { got = drain(p.server); });
    s.join();
    EXPECT_EQ(got, sent);
  });
}

TEST_P(tcp, half_close_leaves_the_other_direction_open) {
  run([] {
    pair p = connected();
    p.client.shutdown_send();
    std::array<std::byte, 8> b{};
    EXPECT_EQ(p.server.read_some(b), 0U);
    p.server.write_all(b);
    EXPECT_EQ(p.client.read_exact(b), 8U);
  });
}

TEST_P(tcp, end_of_stream_that_comes_with_data_is_seen) {
  // Hazard 14: FIN with the data gives one edge; a short read must not be taken for "drained, wait for the next edge".
  run([] {
    for (std::size_t i = 0; i < scaled(5000); ++i) {
      pair p = connected();
      const bytes sent = random_bytes(100, static_cast<std::uint32_t>(i));
      sennit::scope s;
      s.spawn([&] { EXPECT_EQ(drain(p.server), sent); });
      p.client.write_all(sent);
      p.client.close();
      s.join();
    }
  });
}

TEST_P(tcp, zero_length_reads_and_writes_return_at_once) {
  run([] {
    pair p = connected();
    std::error_code ec = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(p.client.read_some({}, ec), 0U);
    EXPECT_FALSE(ec);
    EXPECT_EQ(p.client.write_some({}, ec), 0U);
    EXPECT_FALSE(ec);
    EXPECT_EQ(p.client.write_all({}, ec), 0U);
    EXPECT_EQ(p.client.read_exact({}, ec), 0U);
    EXPECT_FALSE(ec);
    p.client.close();
    p.client.read_some({}, ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
  });
}

TEST_P(tcp, read_exact_reports_an_early_end) {
  run([] {
    pair p = connected();
    std::array<std::byte, 8> b{};
    p.client.write_all(std::span(b).first(5));
    p.client.close();
    std::error_code ec;
    EXPECT_EQ(p.server.read_exact(b, ec), 5U);
    EXPECT_EQ(ec, sennit::error::end_of_stream);
    EXPECT_THROW(p.server.read_exact(b), std::system_error);
  });
}

TEST_P(tcp, deadline_ends_a_read_and_a_write) {
  run([] {
    pair p = connected();
    std::array<std::byte, 8> b{};
    std::error_code ec;
    p.server.expires_after(5ms);
    const auto before = std::chrono::steady_clock::now();
    p.server.read_some(b, ec);
    EXPECT_EQ(ec, std::errc::timed_out);
    EXPECT_EQ(ec, sennit::error::deadline_passed);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 5ms);
    p.server.read_some(b, ec);
    EXPECT_EQ(ec, std::errc::timed_out) << "absolute once set";
    p.server.expires_never();
    p.client.write_all(b);
    EXPECT_EQ(p.server.read_some(b, ec), 8U);
    EXPECT_FALSE(ec);
    // Nobody reads: the buffers fill, then the deadline comes.
    const bytes much(64 << 20);
    p.client.expires_after(5ms);
    EXPECT_LT(p.client.write_all(much, ec), much.size());
    EXPECT_EQ(ec, std::errc::timed_out);
  });
}

TEST_P(tcp, deadline_and_data_together_give_exactly_one_result) {
  // Hazard 2: both come at about the same time; the byte is either read now or still there.
  run([] {
    pair p = connected();
    std::array<std::byte, 1> b{};
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      const auto at = std::chrono::steady_clock::now() + std::chrono::microseconds(20 + i % 60);
      sennit::scope s;
      s.spawn([&] {
        sennit::this_fiber::sleep_until(at);
        p.client.write_all(std::array{static_cast<std::byte>(i)});
      });
      p.server.expires_at(at);
      std::error_code ec;
      const std::size_t n = p.server.read_some(b, ec);
      if (n == 0) {
        ASSERT_EQ(ec, std::errc::timed_out);
        p.server.expires_never();
        ASSERT_EQ(p.server.read_some(b), 1U);
      }
      ASSERT_EQ(b[0], static_cast<std::byte>(i));
      s.join();
    }
  });
}

TEST_P(tcp, several_readers_take_turns) {
  // Hazard 15: two fibers on one descriptor and direction share it fairly, nothing is lost.
  run([] {
    pair p = connected();
    std::atomic<std::size_t> got{0};
    std::array<std::size_t, 4> by{};
    sennit::scope s;
    for (std::size_t r = 0; r < by.size(); ++r) {
      s.spawn([&, r] {
        std::array<std::byte, 1> b{};
        while (p.server.read_some(b) != 0) {
          ++by[r];
          ++got;
        }
      });
    }
    const std::size_t total = scaled(40'000);
    for (std::size_t i = 0; i < total; ++i) {
      p.client.write_all(std::array{std::byte{1}});
      while (got <= i) sennit::this_fiber::yield();
    }
    p.client.shutdown_send();
    s.join();
    EXPECT_EQ(got, total);
    for (const std::size_t n : by) EXPECT_GT(n, total / 40) << "a reader starved";
  });
}

TEST_P(tcp, one_reader_and_one_writer_at_once) {
  run([] {
    pair p = connected();
    const bytes a = random_bytes(1'000'000, 3);
    const bytes b = random_bytes(1'000'000, 4);
    sennit::scope s;
    bytes got_a(a.size());
    bytes got_b(b.size());
    s.spawn([&] { p.client.write_all(a); });
    s.spawn([&] { p.client.read_exact(got_b); });
    s.spawn([&] { p.server.write_all(b); });
    s.spawn([&] { p.server.read_exact(got_a); });
    s.join();
    EXPECT_EQ(got_a, a);
    EXPECT_EQ(got_b, b);
  });
}

TEST_P(tcp, tiny_messages_with_random_partial_reads) {
  // Hazard 14: reads of random sizes; no byte may wait for an edge that will not come.
  run([] {
    pair p = connected();
    const std::size_t total = scaled(1'000'000);
    sennit::scope s;
    s.spawn([&] {
      std::mt19937 random(5);
      std::uint8_t next = 0;
      std::array<std::byte, 17> b{};
      for (std::size_t sent = 0; sent < total;) {
        const std::size_t n = std::min<std::size_t>(1 + random() % b.size(), total - sent);
        for (std::size_t i = 0; i < n; ++i) b[i] = static_cast<std::byte>(next++);
        p.client.write_all(std::span(b).first(n));
        sent += n;
        if (random() % 8 == 0) sennit::this_fiber::yield();
      }
    });
    std::mt19937 random(6);
    std::uint8_t next = 0;
    std::array<std::byte, 23> b{};
    for (std::size_t got = 0; got < total;) {
      const std::size_t n = p.server.read_some(std::span(b).first(1 + random() % b.size()));
      ASSERT_GT(n, 0U);
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(b[i], static_cast<std::byte>(next++));
      got += n;
    }
    s.join();
  });
}

// Hazard 14: the reader runs on one worker while another one polls its descriptor, so that events come between its
// system call and its look at the readiness word. The answer to both bytes of a round is what the round waits for.
TEST(tcp_migrate, an_event_beside_a_short_read_is_not_lost) {
  sennit::run({.workers = 4, .stall_threshold = {}, .force_migrate = true}, [] {
    pair p = connected();
    const std::size_t rounds = scaled(100'000);
    sennit::scope s;
    s.spawn([&] {
      std::array<std::byte, 64> b{};
      for (std::size_t r = 0; r < rounds; ++r) {
        for (std::size_t got = 0; got < 2;) got += p.server.read_some(b);
        p.server.write_all(std::span(b).first(1));
      }
    });
    std::mt19937 random(7);
    std::array<std::byte, 1> b{};
    for (std::size_t r = 0; r < rounds; ++r) {
      p.client.write_all(b);
      for (auto i = random() % 1000; i > 0; --i) detail::cpu_pause();
      p.client.write_all(b);
      ASSERT_EQ(p.client.read_exact(b), 1U);
    }
    s.join();
  });
}

TEST_P(tcp, peer_reset_and_broken_pipe_are_errors_not_signals) {
  // Hazard 17: MSG_NOSIGNAL; the default disposition of SIGPIPE would end the process. Workers block it, this thread
  // does not.
  pair p;
  std::array<std::byte, 8> b{};
  std::error_code ec;
  run([&] {
    p = connected();
    const linger now{1, 0};
    ASSERT_EQ(setsockopt(p.client.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    p.client.close();
    p.server.read_some(b, ec);
    EXPECT_EQ(ec, std::errc::connection_reset);
    p.server.write_all(b, ec);
    EXPECT_EQ(ec, std::errc::broken_pipe);
  });
  p.server.write_all(b, ec);
  EXPECT_EQ(ec, std::errc::broken_pipe);
}

TEST_P(tcp, ambient_stop_reaches_every_wait) {
  run([] {
    pair p = connected();
    auto listener = tcp_listener::bind("127.0.0.1:0");
    std::atomic<int> cancelled{0};
    const auto expect_cancelled = [&](auto&& operation) {
      try {
        operation();
      } catch (const std::system_error& e) {
        if (e.code() == std::errc::operation_canceled) ++cancelled;
      }
    };
    sennit::scope s(sennit::on_exception::log);
    s.spawn([&] { expect_cancelled([&] { drain(p.server); }); });
    s.spawn([&] { expect_cancelled([&] { p.client.write_all(bytes(64 << 20)); }); });
    s.spawn([&] { expect_cancelled([&] { listener.accept(); }); });
    s.spawn([&] {
      // A server that does not read, so that the writer above blocks for sure.
      expect_cancelled([&] { sennit::this_fiber::sleep_for(1h); });
    });
    s.request_stop();
    s.join();
    EXPECT_EQ(cancelled, 4);
  });
}

TEST_P(tcp, scope_deadline_bounds_reads) {
  run([] {
    pair p = connected();
    std::error_code ec;
    try {
      sennit::scope s(std::chrono::steady_clock::now() + 10ms);
      s.spawn([&] {
        std::array<std::byte, 8> b{};
        p.server.read_some(b, ec);
      });
      s.join();
    } catch (const std::system_error&) {}
    EXPECT_EQ(ec, sennit::error::deadline_passed);
  });
}

TEST_P(tcp, listen_errors_name_the_endpoint) {
  run([] {
    auto first = tcp_listener::bind("127.0.0.1:0");
    const auto at = first.local_endpoint();
    try {
      tcp_listener::bind(at);
      FAIL() << "bound twice";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::address_in_use);
      EXPECT_NE(std::string(e.what()).find(at.to_string()), std::string::npos) << e.what();
    }
    std::error_code ec;
    tcp_stream::connect("127.0.0.1:1", ec);
    EXPECT_EQ(ec, std::errc::connection_refused);
    EXPECT_THROW(tcp_listener::bind("127.0.0.1:99999"), std::system_error);
    EXPECT_THROW(tcp_listener::bind("nonsense"), std::system_error);
  });
}

TEST_P(tcp, connect_by_name) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    // A name to us; the resolver knows it without a hosts file (a bare machine has none) and without a server.
    auto s = tcp_stream::connect(
        endpoint_access::make(endpoint::family::name, "0x7f000001", listener.local_endpoint().port()));
    auto t = listener.accept();
    EXPECT_EQ(s.local_endpoint(), t.remote_endpoint());
    EXPECT_EQ(s.remote_endpoint(), t.local_endpoint());
  });
}

TEST_P(tcp, plain_threads_block_with_the_same_results) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const auto at = listener.local_endpoint();
    std::error_code timed_out;
    std::error_code closed;
    bytes echoed;
    std::thread client([&] {
      auto s = tcp_stream::connect(at);
      const bytes sent = random_bytes(100'000, 9);
      std::thread writer([&] { s.write_all(sent); });
      echoed.resize(sent.size());
      s.read_exact(echoed);
      writer.join();
      EXPECT_EQ(echoed, sent);
      std::array<std::byte, 1> b{};
      s.expires_after(5ms);
      s.read_some(b, timed_out);
      s.expires_never();
      std::atomic<bool> reading{false};
      std::thread closer([&] {
        while (!reading) std::this_thread::yield();
        s.close();
      });
      reading = true;
      s.read_some(b, closed);
      closer.join();
    });
    auto s = listener.accept();
    std::array<std::byte, 4096> b;
    for (std::size_t done = 0; done < 100'000;) {
      const std::size_t n = s.read_some(b);
      s.write_all(std::span(b).first(n));
      done += n;
    }
    sennit::blocking([&] { client.join(); });
    EXPECT_EQ(timed_out, std::errc::timed_out);
    EXPECT_EQ(closed, std::errc::bad_file_descriptor);
  });
}

}  // namespace
}  // namespace sennit::test

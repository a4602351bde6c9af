// tcp_server and unix_server: who gets a connection, and what becomes of it. server_stop_test.cpp: their end.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "net/acceptor.hpp"
#include "net/servers.hpp"
#include "net/steering.hpp"
#include "net/unix_names.hpp"
#include "net/unix_socket.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class server : public runtimes {
 protected:
  /// How many listeners a server has that may have one for each worker.
  static unsigned all() { return detail::listeners_share ? workers() : 1; }
};
INSTANTIATE_RUNTIMES(server);

/// `count` connections that are all open at once, each answered twice.
void talk_to(const endpoint& at, int count) {
  scope clients;
  std::atomic<int> connected{0};
  for (int i = 0; i < count; ++i) {
    clients.spawn([&] {
      auto s = tcp_stream::connect(at);
      EXPECT_TRUE(answered(s));
      ++connected;
      until([&] { return connected == count; });
      EXPECT_TRUE(answered(s));
    });
  }
  clients.join();
}

TEST_P(server, every_worker_has_a_listener_and_each_gets_its_part) {
  run([] {
    tcp_server s("127.0.0.1:0", echo{});
    EXPECT_EQ(s.listeners(), all());
    EXPECT_NE(s.local_endpoint().port(), 0);
    talk_to(s.local_endpoint(), 200);
    until([&] { return s.stats().running() == 0; });
    EXPECT_EQ(s.stats().accepted, 200U);
    EXPECT_EQ(s.stats().finished, 200U);
    EXPECT_EQ(s.stats().failed + s.stats().dropped, 0U);
    for (unsigned i = 0; i < s.listeners(); ++i) EXPECT_GT(s.stats(i).accepted, 0U) << "listener " << i;
  });
}

TEST_P(server, who_waits_is_accepted_in_batches) {
  run([] {
    const endpoint at = abstract_name();
    std::error_code ec;
    const detail::io_handle listener = detail::listen_unix(SOCK_STREAM, at, {}, ec);
    ASSERT_FALSE(ec);
    std::vector<unix_stream> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(unix_stream::connect(at));
    std::array<detail::accepted, 7> batch;
    for (const std::size_t count : {7U, 3U}) {
      ASSERT_EQ(detail::accept_batch(listener, batch, ec, {}), count);
      for (std::size_t i = 0; i < count; ++i) ::close(batch[i].fd);
    }
  });
}

TEST_P(server, pinned_connections_stay_where_they_were_accepted) {
  for (const bool migrating : {false, true}) {
    options o = opts();
    o.force_migrate = migrating;
    sennit::run(o, [] {
      std::atomic<int> moved{0};
      std::array<std::atomic<std::uint64_t>, 4> on{};
      tcp_server s("127.0.0.1:0", {.connections = {.pinned = true}}, [&](tcp_stream stream) {
        const unsigned first = here();
        ++on[first];
        std::array<std::byte, 256> b;
        while (const std::size_t n = stream.read_some(b)) {
          this_fiber::yield();
          stream.write_all(std::span(b).first(n));
          if (here() != first) ++moved;
        }
      });
      talk_to(s.local_endpoint(), 100);
      EXPECT_EQ(moved, 0);
      if (s.listeners() > 1) {
        for (unsigned i = 0; i < s.listeners(); ++i) EXPECT_EQ(on[i], s.stats(i).accepted) << "worker " << i;
      }
    });
  }
}

TEST_P(server, pinned_connections_of_one_listener_take_turns_among_the_workers) {
  run([] {
    std::array<std::atomic<unsigned>, 4> on{};
    tcp_server s("127.0.0.1:0", {.steering = steering::one_listener, .connections = {.pinned = true}},
                 [&](tcp_stream stream) {
                   ++on[here()];
                   echo{}(std::move(stream));
                 });
    EXPECT_EQ(s.listeners(), 1U);
    talk_to(s.local_endpoint(), 40);
    for (unsigned i = 0; i < workers(); ++i) EXPECT_EQ(on[i], 40 / workers()) << "worker " << i;
  });
}

TEST_P(server, connections_may_migrate) {
  options o = opts();
  o.force_migrate = true;
  sennit::run(o, [] {
    tcp_server s("127.0.0.1:0", echo{});
    talk_to(s.local_endpoint(), 100);
    EXPECT_EQ(s.stats().accepted, 100U);
  });
}

TEST_P(server, a_port_is_its_own_unless_it_is_shared) {
  run([] {
    const endpoint any("127.0.0.1:0");
    tcp_server first(any, echo{});
    const endpoint at = first.local_endpoint();
    EXPECT_EQ(code_of([&] { tcp_server second(at, echo{}); }), std::errc::address_in_use);
    tcp_server shared(any, {.listener = {.reuse_port = true}}, echo{});
    const endpoint theirs = shared.local_endpoint();
    EXPECT_EQ(code_of([&] { tcp_server alone(theirs, echo{}); }), std::errc::address_in_use);
    tcp_server with_it(theirs, {.listener = {.reuse_port = true}}, echo{});
    talk_to(theirs, 20);
    EXPECT_EQ(shared.stats().accepted + with_it.stats().accepted, 20U);
    try {
      const tcp_server nowhere("192.0.2.1:1", echo{});
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::address_not_available);
      EXPECT_NE(std::string(e.what()).find("192.0.2.1:1"), std::string::npos) << e.what();
    }
  });
  EXPECT_EQ(code_of([] { tcp_server no_runtime("127.0.0.1:0", echo{}); }), std::errc::operation_not_permitted);
}

TEST_P(server, an_exception_ends_one_connection) {
  testing::internal::CaptureStderr();
  run([] {
    tcp_server s("127.0.0.1:0", {.connections = {.name = "session"}}, [](tcp_stream stream) {
      std::array<std::byte, 1> b;
      if (stream.read_exact(b); b[0] == std::byte{1}) throw std::runtime_error("no such request");
      stream.write_all(b);
    });
    auto good = tcp_stream::connect(s.local_endpoint());
    auto bad = tcp_stream::connect(s.local_endpoint());
    bad.write_all(std::array{std::byte{1}});
    std::array<std::byte, 1> b;
    EXPECT_EQ(bad.read_some(b), 0U);
    EXPECT_TRUE(answered(good));
    until([&] { return s.stats().finished == 2; });
    EXPECT_EQ(s.stats().failed, 1U);
  });
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("session"), std::string::npos) << log;
  EXPECT_NE(log.find("no such request"), std::string::npos) << log;
}

TEST_P(server, at_most_so_many_run_at_once) {
  run([] {
    gate g;
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    tcp_server s("127.0.0.1:0", {.steering = steering::one_listener, .connections = {.max_running = 3}},
                 [&](tcp_stream stream) {
                   const int now = ++running;
                   for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
                   g.pass();
                   --running;
                   echo{}(std::move(stream));
                 });
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(tcp_stream::connect(s.local_endpoint()));
    g.await(3);
    EXPECT_LE(s.stats().accepted, 4U) << "the others wait in the backlog";
    g.open.set();
    for (auto& c : clients) {
      EXPECT_TRUE(answered(c));
      c.close();
    }
    EXPECT_EQ(most, 3);
  });
}

TEST_P(server, two_runtimes_and_a_plain_thread) {
  sennit::runtime one(opts());
  sennit::runtime two(opts());
  tcp_server a(one, "127.0.0.1:0", {}, echo{});
  tcp_server b(two, "127.0.0.1:0", {}, echo{});
  two.run([&] { talk_to(a.local_endpoint(), 30); });
  one.run([&] { talk_to(b.local_endpoint(), 30); });
  auto client = tcp_stream::connect(a.local_endpoint());
  EXPECT_TRUE(answered(client));
  client.close();
  EXPECT_TRUE(a.stop(10s).stopped.empty());
  EXPECT_TRUE(b.stop(10s).stopped.empty());
  EXPECT_EQ(a.stats().finished, 31U);
}

/// Fails accept with EMFILE a number of times.
class short_of_descriptors final : public detail::host {
 public:
  int accept(int fd, sockaddr* address, socklen_t* size) noexcept override {
    for (int left = refuse; left > 0;) {
      if (refuse.compare_exchange_weak(left, left - 1)) return -EMFILE;
    }
    return host::accept(fd, address, size);
  }
  std::atomic<int> refuse{0};
};

TEST_P(server, out_of_descriptors_it_backs_off_and_loses_nobody) {
  short_of_descriptors outside;
  outside.refuse = 6;
  options o = opts();
  o.host = &outside;
  testing::internal::CaptureStderr();
  sennit::run(o, [&] {
    tcp_server s("127.0.0.1:0", {.steering = steering::one_listener}, echo{});
    talk_to(s.local_endpoint(), 10);
    EXPECT_EQ(s.stats().shortages, 6U);
    // The same while it stops.
    auto last = tcp_stream::connect(s.local_endpoint());
    outside.refuse = 6;
    scope client;
    client.spawn([&] {
      EXPECT_TRUE(answered(last));
      last.close();
    });
    EXPECT_TRUE(s.stop(20s).stopped.empty());
    client.join();
    EXPECT_EQ(s.stats().finished, 11U);
  });
  const std::string log = testing::internal::GetCapturedStderr();
  const auto first = log.find("accept: Too many open files");
  EXPECT_NE(first, std::string::npos) << log;
}

TEST(server_stuck, a_stuck_worker_does_not_hold_up_its_listener) {
  // Hazard 19: who accepts is registered with one worker's poller, but another one may do it.
  sennit::run(sennit::options{.workers = 2, .stall_threshold = {}}, [] {
    tcp_server s("127.0.0.1:0", echo{});
    until([&] { return runtime::current()->stats().registrations >= s.listeners(); });  // each with its own worker
    std::atomic<bool> stuck{false};
    std::atomic<bool> done{false};
    scope computing;
    computing.spawn([&] {
      stuck = true;
      while (!done) std::this_thread::yield();
    });
    until([&] { return stuck.load(); });
    talk_to(s.local_endpoint(), 50);
    EXPECT_EQ(s.stats().accepted, 50U);
    done = true;
    computing.join();
  });
}

TEST_P(server, unix_connections_are_served) {
  run([] {
    const endpoint at = abstract_name();
    std::set<unsigned> on;
    sennit::mutex m;
    unix_server s(at, {.connections = {.pinned = true}}, [&](unix_stream stream) {
      {
        const std::lock_guard guard(m);
        on.insert(here());
      }
      echo{}(std::move(stream));
    });
    EXPECT_EQ(s.listeners(), 1U);
    EXPECT_EQ(s.local_endpoint(), at);
    for (int i = 0; i < 20; ++i) {
      auto client = unix_stream::connect(at);
      EXPECT_TRUE(answered(client));
    }
    EXPECT_EQ(on.size(), workers());
    EXPECT_EQ(code_of([&] { unix_server second(at, echo{}); }), std::errc::address_in_use);
    EXPECT_EQ(code_of([&] { unix_server tcp("127.0.0.1:0", echo{}); }), std::errc::address_family_not_supported);
  });
}

}  // namespace
}  // namespace sennit::test

// Connecting to one of several addresses (happy eyeballs, RFC 8305): order, delay, and what is left of the losers.
#include "net/connect.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "net/address.hpp"
#include "net/black_hole.hpp"
#include "net/connected.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Sees each attempt begin and each socket go; fails what it is told to.
class watching_host final : public detail::host {
 public:
  struct attempt {
    endpoint to;
    steady_clock::time_point at;
  };

  int socket(int family, int type, int protocol) noexcept override {
    if (out_of_descriptors.load() > 0) {
      --out_of_descriptors;
      return -EMFILE;
    }
    const int fd = host::socket(family, type, protocol);
    if (fd >= 0) ++open;
    return fd;
  }
  int connect(int fd, const sockaddr* address, socklen_t size) noexcept override {
    const endpoint to = endpoint_access::from_sockaddr(address, size);
    const std::lock_guard lock(mutex_);
    attempts_.push_back({to, steady_clock::now()});
    for (const auto& [unreachable, error] : failing) {
      if (unreachable == to) return error;
    }
    return host::connect(fd, address, size);
  }
  int close(int fd) noexcept override {
    --open;
    return host::close(fd);
  }
  std::vector<attempt> attempts() {
    const std::lock_guard lock(mutex_);
    return attempts_;
  }

  std::vector<std::pair<endpoint, int>> failing;  // and with what: -errno
  std::atomic<int> out_of_descriptors{0};
  std::atomic<int> open{0};

 private:
  std::mutex mutex_;
  std::vector<attempt> attempts_;
};

class tcp_connect : public runtimes {
 protected:
  template <class F>
  void run(F&& f) {
    options o = opts();
    o.host = &outside;
    sennit::run(o, std::forward<F>(f));
  }
  watching_host outside;
};
INSTANTIATE_RUNTIMES(tcp_connect);

/// A port of the loopback that nobody listens on.
endpoint refusing() {
  sockaddr_in address{};
  static_cast<void>(tcp_listener(address));
  return endpoint_access::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

sockaddr_storage address_of(const endpoint& e) {
  sockaddr_storage address{};
  socklen_t size = 0;
  EXPECT_FALSE(endpoint_access::to_sockaddr(e, address, size));
  return address;
}

std::vector<std::string> order_of(const std::vector<std::string>& given) {
  std::vector<sockaddr_storage> addresses;
  for (const auto& g : given) addresses.push_back(address_of(endpoint(g, 1)));
  std::vector<std::string> order;
  for (const auto& a : detail::interleaved(addresses)) {
    order.push_back(
        endpoint_access::from_sockaddr(reinterpret_cast<const sockaddr*>(&a), detail::sockaddr_size(a)).host());
  }
  return order;
}

using names = std::vector<std::string>;

TEST(connect_order, the_families_take_turns_from_the_preferred_one_on) {
  EXPECT_EQ(order_of({"::1", "::2", "::3", "1.0.0.1", "1.0.0.2"}), (names{"::1", "1.0.0.1", "::2", "1.0.0.2", "::3"}));
  EXPECT_EQ(order_of({"1.0.0.1", "::1", "::2", "1.0.0.2"}), (names{"1.0.0.1", "::1", "1.0.0.2", "::2"}));
  EXPECT_EQ(order_of({"1.0.0.2", "1.0.0.1"}), (names{"1.0.0.2", "1.0.0.1"}));
  EXPECT_EQ(order_of({}), names{});
}

TEST(connect_order, what_tells_most_wins_and_the_text_names_all) {
  const std::vector<detail::connect_failure> failed{{"1.0.0.1:80", make_error_code(std::errc::connection_refused)},
                                                    {"1.0.0.2:80", make_error_code(std::errc::timed_out)},
                                                    {"[::1]:80", make_error_code(std::errc::network_unreachable)},
                                                    {"[::2]:80", {}}};
  EXPECT_EQ(detail::most_telling(std::span(failed).first(3)), std::errc::connection_refused);
  EXPECT_EQ(detail::most_telling(std::span(failed).subspan(1, 2)), std::errc::timed_out);
  EXPECT_EQ(detail::most_telling(std::span(failed).subspan(2, 1)), std::errc::network_unreachable);
  EXPECT_EQ(detail::describe(failed),
            "1.0.0.1:80: Connection refused, 1.0.0.2:80: Connection timed out, [::1]:80: Network is unreachable, "
            "[::2]:80: still connecting");
}

TEST_P(tcp_connect, a_silent_address_is_passed_over_after_the_delay) {
  run([&] {
    const black_hole hole;
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<endpoint> to{hole.at(), listener.local_endpoint()};
    const int before = outside.open;
    auto s = tcp_stream::connect(to, {}, {.attempt_delay = 30ms});
    EXPECT_EQ(s.remote_endpoint(), to[1]);
    EXPECT_EQ(outside.open, before + 1) << "the loser is still open";
    const auto attempts = outside.attempts();
    ASSERT_EQ(attempts.size(), 2U);
    EXPECT_EQ(attempts[0].to, to[0]);
    EXPECT_GE(attempts[1].at - attempts[0].at, 30ms);
    auto t = listener.accept();
    t.write_all(std::array{std::byte{7}});
    std::array<std::byte, 1> b{};
    EXPECT_EQ(s.read_exact(b), 1U);
    EXPECT_EQ(b[0], std::byte{7});
  });
}

TEST_P(tcp_connect, the_delay_is_250_ms_if_none_is_given) {
  run([&] {
    const black_hole hole;
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<endpoint> to{hole.at(), listener.local_endpoint()};
    const auto s = tcp_stream::connect(to);
    const auto attempts = outside.attempts();
    ASSERT_EQ(attempts.size(), 2U);
    EXPECT_GE(attempts[1].at - attempts[0].at, 250ms);
  });
}

TEST_P(tcp_connect, a_refused_address_is_passed_over_at_once) {
  run([&] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<endpoint> to{refusing(), refusing(), listener.local_endpoint()};
    const int before = outside.open;
    const auto s = tcp_stream::connect(to, {}, {.attempt_delay = 24h});
    EXPECT_EQ(s.remote_endpoint(), to[2]);
    EXPECT_EQ(outside.attempts().size(), 3U);
    EXPECT_EQ(outside.open, before + 1);
  });
}

TEST_P(tcp_connect, the_first_to_answer_wins_whichever_began_first) {
  // Both are silent; then the first of them answers, long after the second attempt has begun.
  run([&] {
    black_hole slow;
    const black_hole hole;
    const std::vector<endpoint> to{slow.at(), hole.at()};
    const int before = outside.open;
    sennit::scope s;
    s.spawn([&] {
      until([&] { return outside.attempts().size() == 2; });
      slow.open();
    });
    const auto stream = tcp_stream::connect(to, {}, {.attempt_delay = 0ms});
    EXPECT_EQ(stream.remote_endpoint(), to[0]);
    EXPECT_EQ(outside.open, before + 1);
    s.join();
  });
}

TEST_P(tcp_connect, both_families_are_tried) {
  run([&] {
    const black_hole six(AF_INET6);
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<endpoint> to{six.at(), six.at(), listener.local_endpoint()};
    const auto s = tcp_stream::connect(to, {}, {.attempt_delay = 1ms});
    EXPECT_EQ(s.remote_endpoint(), to[2]);
    ASSERT_GE(outside.attempts().size(), 2U);
    EXPECT_EQ(outside.attempts()[1].to, to[2]) << "IPv4 is second, not last";
  });
}

TEST_P(tcp_connect, if_all_fail_the_message_names_each) {
  run([&] {
    const std::vector<endpoint> to{refusing(), "[2001:db8::1]:80", "unix:/nowhere"};
    outside.failing = {{to[1], -ENETUNREACH}};
    const int before = outside.open;
    try {
      static_cast<void>(tcp_stream::connect(to));
      FAIL() << "connected";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::connection_refused);
      const std::string what = e.what();
      EXPECT_NE(what.find(to[0].to_string() + ": Connection refused"), std::string::npos) << what;
      EXPECT_NE(what.find("[2001:db8::1]:80: Network is unreachable"), std::string::npos) << what;
      EXPECT_NE(what.find("unix:/nowhere: Address family not supported"), std::string::npos) << what;
    }
    EXPECT_EQ(outside.open, before);
    std::error_code ec;
    EXPECT_FALSE(tcp_stream::connect(std::span<const endpoint>(), ec).is_open());
    EXPECT_EQ(ec, std::errc::invalid_argument);
    EXPECT_FALSE(tcp_stream::connect(std::span(to).last(1), ec).is_open());
    EXPECT_EQ(ec, std::errc::address_family_not_supported);
  });
}

TEST_P(tcp_connect, one_bad_endpoint_does_not_spoil_the_others) {
  run([&] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const endpoint no_name = endpoint_access::make(endpoint::family::name, std::string(300, 'x'), 1);
    const std::vector<endpoint> to{"unix:/nowhere", no_name, listener.local_endpoint()};
    std::error_code ec;
    EXPECT_TRUE(tcp_stream::connect(to, ec).is_open());
    EXPECT_FALSE(ec) << ec.message();
  });
}

TEST_P(tcp_connect, out_of_descriptors_is_an_error_of_that_attempt) {
  run([&] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<endpoint> to{refusing(), listener.local_endpoint()};
    outside.out_of_descriptors = 1;
    EXPECT_EQ(tcp_stream::connect(to).remote_endpoint(), to[1]);
    outside.out_of_descriptors = 2;
    std::error_code ec;
    EXPECT_FALSE(tcp_stream::connect(to, ec).is_open());
    EXPECT_EQ(ec, std::errc::too_many_files_open);
  });
}

TEST_P(tcp_connect, a_stop_ends_all_attempts) {
  run([&] {
    const black_hole a;
    const black_hole b;
    const std::vector<endpoint> to{a.at(), b.at(), refusing()};
    const int before = outside.open;
    sennit::stop_source source;
    sennit::scope s;
    s.spawn([&] {
      until([&] { return outside.attempts().size() == 2; });
      source.request_stop();
    });
    try {
      // The third is never tried.
      static_cast<void>(tcp_stream::connect(std::span(to).first(2), source.get_token(), {.attempt_delay = 0ms}));
      FAIL() << "connected";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::operation_canceled);
      EXPECT_NE(std::string(e.what()).find(to[1].to_string() + ": still connecting"), std::string::npos) << e.what();
    }
    EXPECT_EQ(outside.open, before);
    s.join();
    std::error_code ec;
    EXPECT_FALSE(tcp_stream::connect(to, ec, source.get_token()).is_open());
    EXPECT_EQ(ec, std::errc::operation_canceled) << "stopped before";
    EXPECT_EQ(outside.open, before);
  });
}

TEST_P(tcp_connect, a_deadline_ends_all_attempts) {
  run([&] {
    const black_hole a;
    const black_hole b;
    const std::vector<endpoint> to{a.at(), b.at()};
    const int before = outside.open;
    const auto deadline = steady_clock::now() + 20ms;
    std::error_code ec;
    EXPECT_FALSE(tcp_stream::connect(to, deadline, ec, {}, {.attempt_delay = 1ms}).is_open());
    EXPECT_EQ(ec, sennit::error::deadline_passed);
    EXPECT_GE(steady_clock::now(), deadline);
    EXPECT_EQ(outside.open, before);
    EXPECT_FALSE(tcp_stream::connect(std::span(to).first(1), steady_clock::now() + 5ms, ec).is_open());
    EXPECT_EQ(ec, sennit::error::deadline_passed);
    EXPECT_EQ(outside.open, before);
  });
}

TEST_P(tcp_connect, a_scope_ends_all_attempts) {
  run([&] {
    const black_hole a;
    const black_hole b;
    const std::vector<endpoint> to{a.at(), b.at()};
    const int before = outside.open;
    std::error_code stopped;
    std::error_code late;
    {
      sennit::scope s;
      s.spawn([&] { static_cast<void>(tcp_stream::connect(to, stopped, {}, {.attempt_delay = 0ms})); });
      until([&] { return outside.attempts().size() == 2; });
      s.request_stop();
      s.join();
    }
    EXPECT_EQ(stopped, std::errc::operation_canceled);
    try {
      sennit::scope s(steady_clock::now() + 10ms);
      s.spawn([&] { static_cast<void>(tcp_stream::connect(to, late, {}, {.attempt_delay = 1ms})); });
      s.join();
    } catch (const std::system_error&) {}
    EXPECT_EQ(late, sennit::error::deadline_passed);
    EXPECT_EQ(outside.open, before);
  });
}

TEST(tcp_connect_thread, a_plain_thread_races_too) {
  const black_hole hole;
  auto listener = tcp_listener::bind("127.0.0.1:0");
  const std::vector<endpoint> to{hole.at(), refusing(), listener.local_endpoint()};
  EXPECT_EQ(tcp_stream::connect(to, {}, {.attempt_delay = 5ms}).remote_endpoint(), to[2]);
  sennit::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  std::error_code ec;
  const std::vector<endpoint> silent{hole.at(), hole.at()};
  EXPECT_FALSE(tcp_stream::connect(silent, ec, source.get_token(), {.attempt_delay = 1ms}).is_open());
  EXPECT_EQ(ec, std::errc::operation_canceled);
  stopper.join();
  EXPECT_FALSE(tcp_stream::connect(silent, steady_clock::now() + 10ms, ec, {}, {.attempt_delay = 1ms}).is_open());
  EXPECT_EQ(ec, sennit::error::deadline_passed);
}

}  // namespace
}  // namespace sennit::test

// Waiting for answers: many at once, from everywhere, and every way in which a wait ends early.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sennit/resolver.hpp>
#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "resolver/asked.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using answers = std::vector<dns_server::answer>;

class resolver_waits : public runtimes {};
INSTANTIATE_RUNTIMES(resolver_waits);

answers held(const dns_question& q) { return {dns_server::answer::hold(both_addresses(q))}; }
answers truth(const dns_question& q) { return {both_addresses(q)}; }

TEST_P(resolver_waits, a_stop_ends_one_lookup_and_leaves_the_others) {
  // Each of three in turn: one of them drives for all.
  for (std::size_t stopped = 0; stopped < 3; ++stopped) {
    dns_server server(held);
    run([&] {
      resolver r(asking(server.at()));
      sennit::stop_source source;
      std::array<std::error_code, 3> codes;
      std::array<std::size_t, 3> found{};
      sennit::scope s;
      for (std::size_t i = 0; i < 3; ++i) {
        s.spawn([&, i] {
          found[i] = r.resolve("host" + std::to_string(i) + ".example", "80", codes[i],
                               i == stopped ? source.get_token() : sennit::stop_token())
                         .size();
          if (i == stopped) server.release();
        });
        until([&] { return server.held() == 2 * (i + 1); });
      }
      source.request_stop();
      s.join();
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(found[i], i == stopped ? 0U : 2U);
        if (i == stopped) {
          EXPECT_EQ(codes[i], std::errc::operation_canceled);
        } else {
          EXPECT_FALSE(codes[i]) << codes[i].message();
        }
      }
    });
  }
}

TEST_P(resolver_waits, a_deadline_ends_one_lookup_and_leaves_the_others) {
  dns_server server(held);
  run([&] {
    resolver r(asking(server.at()));
    std::error_code late;
    std::error_code other;
    std::error_code service;
    sennit::scope s;
    s.spawn([&] { r.resolve("other.example", "80", other); });
    s.spawn([&] {
      const auto deadline = steady_clock::now() + 10ms;
      r.resolve("late.example", "80", deadline, late);
      EXPECT_GE(steady_clock::now(), deadline);
      r.resolve_service("_late._tcp.example", deadline, service);
      server.release();
    });
    s.join();
    EXPECT_EQ(late, sennit::error::deadline_passed);
    EXPECT_EQ(service, std::errc::timed_out);
    EXPECT_FALSE(other) << other.message();
    EXPECT_EQ(code_of([&] { r.resolve("late.example", "80", steady_clock::now() - 1s); }),
              sennit::error::deadline_passed);
  });
}

TEST_P(resolver_waits, scopes_end_lookups) {
  dns_server server(held);
  run([&] {
    resolver r(asking(server.at()));
    std::array<std::error_code, 3> stopped;
    {
      sennit::scope s;
      for (auto& ec : stopped) s.spawn([&] { r.resolve("host.example", "80", ec); });
      until([&] { return server.held() == 6; });
      s.request_stop();
      s.join();
    }
    for (const auto& ec : stopped) EXPECT_EQ(ec, std::errc::operation_canceled);
    std::error_code late;
    try {
      sennit::scope s(steady_clock::now() + 10ms);
      s.spawn([&] { r.resolve("host.example", "80", late); });
      s.join();
    } catch (const std::system_error&) {}
    EXPECT_EQ(late, sennit::error::deadline_passed);
  });
}

TEST_P(resolver_waits, a_stop_before_the_question_asks_nobody) {
  dns_server server(truth);
  run([&] {
    resolver r(asking(server.at()));
    sennit::stop_source source;
    source.request_stop();
    EXPECT_EQ(code_of([&] { r.resolve("host.example", "80", source.get_token()); }), std::errc::operation_canceled);
    EXPECT_EQ(code_of([&] { r.resolve_service("_a._tcp.example", source.get_token()); }),
              std::errc::operation_canceled);
    EXPECT_EQ(server.questions(), 0U);
  });
}

TEST_P(resolver_waits, destruction_ends_what_is_in_flight) {
  dns_server server(held);
  run([&] {
    auto r = std::make_unique<resolver>(asking(server.at()));
    std::array<std::error_code, 8> codes;
    sennit::scope s;
    for (auto& ec : codes) {
      s.spawn([&, lookup = r.get()] { lookup->resolve("host.example", "80", ec); });
    }
    until([&] { return server.held() == 16; });
    r.reset();
    s.join();
    for (const auto& ec : codes) EXPECT_EQ(ec, std::errc::operation_canceled);
    *std::make_unique<resolver>(asking(server.at())) = resolver(asking(server.at()));
  });
}

TEST_P(resolver_waits, nothing_is_left_open) {
  dns_server silent(held);
  dns_server server(truth);
  run([&] {
    resolver r(asking(server.at()));
    resolver unanswered(asking(silent.at()));
    r.resolve("host.example", "80");
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 10; ++i) {
      std::error_code ec;
      sennit::scope s;
      for (int k = 0; k < 4; ++k) {
        s.spawn([&] { r.resolve("host.example", "80"); });
        s.spawn([&] {
          std::error_code late;
          unanswered.resolve("host.example", "80", steady_clock::now() + 2ms, late);
          EXPECT_EQ(late, std::errc::timed_out);
        });
      }
      s.join();
      resolver brief(asking(silent.at()));
      brief.resolve("host.example", "80", steady_clock::now() + 1ms, ec);
      EXPECT_EQ(ec, std::errc::timed_out);
    }
    EXPECT_EQ(open_descriptors(), before) << "sockets of lookups that are over";
  });
}

TEST(resolver_anywhere, several_runtimes_and_plain_threads_share_one) {
  dns_server server(held);
  resolver r(asking(server.at()));
  constexpr std::size_t each = 20;
  std::atomic<std::size_t> found{0};
  const auto one = [&](std::size_t who, std::size_t i) {
    found += r.resolve("h" + std::to_string(who) + "-" + std::to_string(i) + ".example", "80").size();
  };
  sennit::runtime first({.workers = 1});
  sennit::runtime second({.workers = 2});
  std::vector<sennit::fiber> fibers;
  for (std::size_t i = 0; i < each; ++i) {
    fibers.push_back(first.spawn([&, i] { one(1, i); }));
    fibers.push_back(second.spawn([&, i] { one(2, i); }));
  }
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < 4; ++i) threads.emplace_back([&, i] { one(3, i); });
  while (server.held() < 2 * (2 * each + 4)) std::this_thread::yield();
  server.release();
  for (auto& f : fibers) f.join();
  threads.clear();
  EXPECT_EQ(found, 2 * (2 * each + 4));
}

TEST(resolver_anywhere, the_end_of_the_drivers_runtime_ends_no_other_lookup) {
  dns_server server(held);
  resolver r(asking(server.at()));
  std::error_code gone;
  std::size_t found = 0;
  auto first = std::make_unique<sennit::runtime>(options{.workers = 1});
  auto driver = first->spawn([&] { r.resolve("first.example", "80", gone); });
  while (server.held() < 2) std::this_thread::yield();
  std::jthread other([&] { found = r.resolve("second.example", "80").size(); });
  while (server.held() < 4) std::this_thread::yield();
  first->shutdown(10s);
  driver.join();
  first.reset();
  server.release();
  other.join();
  EXPECT_EQ(gone, std::errc::operation_canceled);
  EXPECT_EQ(found, 2U);
}

TEST(resolver_anywhere, a_plain_threads_lookup_is_stopped_and_late) {
  dns_server server(held);
  resolver r(asking(server.at()));
  std::error_code ec;
  r.resolve("host.example", "80", steady_clock::now() + 5ms, ec);
  EXPECT_EQ(ec, sennit::error::deadline_passed);
  sennit::stop_source source;
  const std::size_t before = server.held();
  std::jthread stopper([&] {
    while (server.held() < before + 2) std::this_thread::yield();
    source.request_stop();
  });
  r.resolve("host.example", "80", ec, source.get_token());
  EXPECT_EQ(ec, std::errc::operation_canceled);
}

TEST(resolver_many, ten_thousand_at_once_on_one_worker) {
  const std::size_t lookups = std::min<std::size_t>(10'000, scaled(100'000));
  std::set<std::pair<std::string, std::uint16_t>> asked;  // the server's thread alone
  std::atomic<std::size_t> different{0};
  dns_server server([&](const dns_question& q) {
    asked.emplace(q.name, q.type);
    different = asked.size();
    return held(q);
  });
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    auto o = asking(server.at());
    o.timeout = 500ms;
    o.attempts = 10;  // a burst may be more than a socket's buffer holds
    resolver r(o);
    std::atomic<std::size_t> found{0};
    sennit::scope s;
    const std::size_t threads = threads_of_process();
    const std::size_t descriptors = open_descriptors();
    for (std::size_t i = 0; i < lookups; ++i) {
      s.spawn([&, i] { found += r.resolve("h" + std::to_string(i) + ".example", "80").size(); });
    }
    until([&] { return different == 2 * lookups; });
    EXPECT_EQ(found, 0U) << "all of them are waiting";
    EXPECT_EQ(threads_of_process(), threads) << "a thread each";
    EXPECT_LE(open_descriptors(), descriptors + 4) << "a descriptor each";
    server.release();
    s.join();
    EXPECT_EQ(found, 2 * lookups);
    EXPECT_EQ(open_descriptors(), descriptors);
  });
}

TEST(resolver_many, stops_deadlines_and_answers_at_random) {
  const std::uint64_t start = seed();
  dns_server server([random = std::mt19937_64(start)](const dns_question& q) mutable -> answers {
    switch (random() % 4) {
      case 0: return {};
      case 1: return {{both_addresses(q).bytes(), std::chrono::milliseconds(random() % 4)}};
      default: return truth(q);
    }
  });
  sennit::run({.workers = 2, .stall_threshold = {}}, [&] {
    auto o = asking(server.at());
    o.timeout = 2ms;
    o.attempts = 4;
    resolver r(o);
    std::atomic<std::size_t> ends{0};
    constexpr std::size_t fibers = 50;
    const std::size_t rounds = scaled(1000);
    sennit::scope s;
    for (std::size_t f = 0; f < fibers; ++f) {
      s.spawn([&, f] {
        std::mt19937_64 random(start + f);
        for (std::size_t i = 0; i < rounds; ++i) {
          sennit::stop_source source;
          sennit::scope pair;
          std::error_code ec;
          const auto deadline = steady_clock::now() + std::chrono::microseconds(random() % 8000);
          const bool stops = random() % 2 == 0;
          pair.spawn([&] {
            const auto found = r.resolve("h" + std::to_string(f) + ".example", "80", deadline, ec, source.get_token());
            EXPECT_EQ(found.empty(), static_cast<bool>(ec));
            EXPECT_TRUE(!ec || ec == std::errc::operation_canceled || ec == std::errc::timed_out) << ec.message();
            ++ends;
          });
          if (stops) source.request_stop();
          pair.join();
        }
      });
    }
    s.join();
    EXPECT_EQ(ends, fibers * rounds);
    // What was given up on is in nobody's way.
    o.attempts = 20;
    resolver after(o);
    EXPECT_FALSE(after.resolve("host.example", "80").empty());
  });
}

/// Refuses sockets; c-ares reaches the system by its runtime's host.
class poor_host final : public detail::host {
 public:
  int socket(int family, int type, int protocol) noexcept override {
    return refuse ? -EMFILE : host::socket(family, type, protocol);
  }
  std::atomic<bool> refuse{false};
};

TEST(resolver_faults, out_of_descriptors_is_an_error) {
  dns_server server(truth);
  poor_host outside;
  sennit::run({.workers = 1, .host = &outside}, [&] {
    resolver r(asking(server.at()));
    outside.refuse = true;
    std::error_code ec;
    EXPECT_TRUE(r.resolve("host.example", "80", ec).empty());
    EXPECT_EQ(ec, resolver_errc::no_server) << ec.message();
    outside.refuse = false;
    EXPECT_EQ(r.resolve("host.example", "80").size(), 2U);
  });
}

}  // namespace
}  // namespace sennit::test

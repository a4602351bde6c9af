#include <fcntl.h>

#include <cmath>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::park_probe;
using test::scaled;

class select_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(select_test);

constexpr auto must_not_fire = [](auto&&...) { ADD_FAILURE() << "the wrong case fired"; };

TEST_P(select_test, what_is_ready_fires_at_once) {
  run([] {
    channel<int> full(1), empty(1), closed;
    full.send(7);
    closed.close();
    int got = 0;
    const auto receive = [&](std::optional<int> v) { got = v.value_or(-1); };
    EXPECT_EQ(select(on_receive(empty, must_not_fire), on_receive(full, receive)), 1u);
    EXPECT_EQ(got, 7);
    EXPECT_EQ(select(on_receive(empty, must_not_fire), on_receive(closed, receive)), 1u);
    EXPECT_EQ(got, -1) << "closed: no value";
    EXPECT_EQ(select(on_send(empty, 5), on_receive(full, must_not_fire)), 0u);
    EXPECT_EQ(empty.receive(), 5);

    event set;
    set.set();
    EXPECT_EQ(select(on_receive(empty, must_not_fire), on_event(set, [] {})), 1u);
    counting_semaphore<> permits(1);
    EXPECT_EQ(select(on_acquire(permits, [] {})), 0u);
    EXPECT_FALSE(permits.try_acquire());
    stop_source source;
    source.request_stop();
    EXPECT_EQ(select(on_acquire(permits, must_not_fire), on_stop(source.get_token(), [] {})), 1u);
    EXPECT_EQ(select(on_acquire(permits, must_not_fire), after(-1h, [] {})), 1u);
    EXPECT_EQ(select(on_acquire(permits, must_not_fire), at(steady_clock::time_point::min(), [] {})), 1u);
    EXPECT_EQ(select(on_acquire(permits, must_not_fire), at(std::chrono::system_clock::now(), [] {})), 1u);
    const test::fd_pair pair = test::unix_pair();
    EXPECT_EQ(select(on_readable(pair.a.get(), must_not_fire), on_writable(pair.a.get(), [] {})), 1u);
    test::put(pair.b.get(), "x");
    EXPECT_EQ(select(on_readable(pair.a.get(), [] {}), on_acquire(permits, must_not_fire)), 0u);
    EXPECT_EQ(select(on_acquire(permits, must_not_fire), otherwise([] {})), 1u);
    EXPECT_EQ(select(otherwise([] {})), 0u);
    fiber ended = spawn([] {});
    EXPECT_EQ(select(on_join(ended, [] {})), 0u);
    EXPECT_FALSE(ended.joinable());
  });
}

/// Everything a select can wait for, and what makes each case fire.
struct everything {
  channel<int> incoming, outgoing;
  event e;
  counting_semaphore<> permits{0};
  stop_source source;
  test::fd_pair pair = test::unix_pair();
  event ending;
  fiber child;
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  tcp_stream peer;

  explicit everything(runtime& rt) : child(rt.spawn([this] { ending.wait(); })) {}
  ~everything() { ending.set(); }

  std::size_t wait() {
    return select(on_receive(incoming, [](std::optional<int> v) { EXPECT_EQ(v, 1); }), on_send(outgoing, 2),
                  on_event(e, [] {}), on_acquire(permits, [] {}), on_stop(source.get_token(), [] {}),
                  on_readable(pair.a.get(), [] {}), on_join(child, [] {}),
                  on_readable(listener, [this] { listener.accept(); }), after(1h, must_not_fire));
  }
  static constexpr std::size_t cases = 8;

  /// Makes case `i` fire, and tells whether it left everything else alone.
  void fire(std::size_t i) {
    switch (i) {
      case 0: incoming.send(1); break;
      case 1: EXPECT_EQ(outgoing.receive(), 2); break;
      case 2: e.set(); break;
      case 3: permits.release(); break;
      case 4: source.request_stop(); break;
      case 5: test::put(pair.b.get(), "x"); break;
      case 6: ending.set(); break;
      case 7: peer = tcp_stream::connect(listener.local_endpoint()); break;
      default: FAIL();
    }
  }
  void expect_no_trace(std::size_t fired) {
    EXPECT_FALSE(incoming.try_send(3)) << "a stale receiver took it";
    EXPECT_FALSE(outgoing.try_receive().has_value()) << "a stale sender gave it";
    if (fired != 3) {
      permits.release();
      EXPECT_TRUE(permits.try_acquire()) << "a stale waiter took the permit";
    }
    EXPECT_EQ(child.joinable(), fired != 6);
  }
};

TEST_P(select_test, each_case_wakes_a_fiber_and_leaves_no_trace_of_the_others) {
  run([] {
    for (std::size_t i = 0; i < everything::cases; ++i) {
      everything all(*runtime::current());
      park_probe probe;
      std::size_t fired = everything::cases;
      fiber f = spawn([&] {
        probe.here();
        fired = all.wait();
      });
      probe.await_parked();
      all.fire(i);
      f.join();
      EXPECT_EQ(fired, i);
      all.expect_no_trace(i);
    }
  });
}

TEST_P(select_test, each_case_wakes_a_plain_thread) {
  runtime rt(opts());
  for (std::size_t i = 0; i < everything::cases; ++i) {
    SCOPED_TRACE(i);
    everything all(rt);
    park_probe probe;
    std::size_t fired = everything::cases;
    std::thread t([&] {
      probe.here();
      fired = all.wait();
    });
    rt.run([&] {
      probe.await_parked();
      all.fire(i);
    });
    t.join();
    EXPECT_EQ(fired, i);
    all.expect_no_trace(i);
  }
}

TEST_P(select_test, the_earliest_time_fires) {
  run([] {
    channel<int> never_sent;
    const auto start = steady_clock::now();
    EXPECT_EQ(select(after(1h, must_not_fire), after(3ms, [] {}), on_receive(never_sent, must_not_fire),
                     at(start + 2h, must_not_fire)),
              1u);
    EXPECT_GE(steady_clock::now() - start, 3ms);
    EXPECT_EQ(select(after(std::chrono::hours::max(), must_not_fire), after(1ms, [] {})), 1u);
  });
}

// A hundred thousand choices among four: each is within five standard deviations of a quarter.
TEST_P(select_test, chooses_fairly_among_ready_cases) {
  run([] {
    constexpr std::size_t kinds = 4;
    const std::size_t n = scaled(100'000) * 10;
    channel<int> a(1), b(1);
    event e;
    e.set();
    counting_semaphore<> s(1);
    a.send(0);
    std::array<std::size_t, kinds> fired{};
    for (std::size_t i = 0; i < n; ++i) {
      ++fired[select(on_receive(a, [&](std::optional<int>) { a.send(0); }), on_send(b, 1, [&] { b.receive(); }),
                     on_event(e, [] {}), on_acquire(s, [&] { s.release(); }))];
    }
    const double expected = static_cast<double>(n) / kinds;
    const double deviation = std::sqrt(expected * (1 - 1.0 / kinds));
    for (const std::size_t k : fired) EXPECT_NEAR(static_cast<double>(k), expected, 5 * deviation);
  });
}

TEST_P(select_test, a_thousand_cases) {
  run([] {
    constexpr std::size_t n = 1000;
    std::vector<std::unique_ptr<channel<std::size_t>>> channels;
    for (std::size_t i = 0; i < n; ++i) channels.push_back(std::make_unique<channel<std::size_t>>());
    const std::size_t rounds = scaled(2'000);
    std::vector<std::size_t> received;
    fiber receiver = spawn([&] {
      const auto receive = [&](std::optional<std::size_t> v) { received.push_back(v.value()); };
      std::vector<decltype(on_receive(*channels[0], receive))> cases;
      for (auto& ch : channels) cases.push_back(on_receive(*ch, receive));
      for (std::size_t i = 0; i < rounds; ++i) {
        const std::size_t fired = select(cases);
        EXPECT_EQ(fired, received.back());
      }
    });
    detail::random_source random(test::seed());
    std::vector<std::size_t> sent;
    for (std::size_t i = 0; i < rounds; ++i) {
      sent.push_back(random.below(n));
      channels[sent.back()]->send(sent.back());
    }
    receiver.join();
    EXPECT_EQ(received, sent);
  });
}

TEST_P(select_test, cases_of_any_kind_in_a_range) {
  run([] {
    channel<std::string> words(1);
    channel<int> numbers(1);
    std::string got;
    std::vector<any_case> cases;
    cases.emplace_back(on_receive(words, [&](std::optional<std::string> w) { got += w.value(); }));
    cases.emplace_back(on_receive(numbers, [&](std::optional<int> i) { got += std::to_string(i.value()); }));
    cases.emplace_back(otherwise([&] { got += '.'; }));
    words.send("a");
    EXPECT_EQ(select(cases), 0u);
    numbers.send(1);
    EXPECT_EQ(select(cases), 1u);
    EXPECT_EQ(select(cases), 2u);
    EXPECT_EQ(got, "a1.");
  });
}

// One channel in several cases, and both directions of it: no case meets another one of the same select.
TEST_P(select_test, one_channel_in_several_cases) {
  run([] {
    channel<int> ch;
    EXPECT_EQ(select(on_send(ch, 1, must_not_fire), on_receive(ch, must_not_fire), after(1ms, [] {})), 2u);
    park_probe probe;
    int got = 0;
    std::size_t fired = 9;
    fiber f = spawn([&] {
      probe.here();
      fired = select(on_send(ch, 1), on_receive(ch, [&](std::optional<int> v) { got = v.value(); }),
                     on_receive(ch, [&](std::optional<int> v) { got = v.value(); }));
    });
    probe.await_parked();
    ch.send(5);
    f.join();
    EXPECT_GE(fired, 1u);
    EXPECT_EQ(got, 5);
    EXPECT_FALSE(ch.try_receive().has_value());
    EXPECT_FALSE(ch.try_send(6));
  });
}

TEST_P(select_test, move_only_messages) {
  run([] {
    channel<std::unique_ptr<int>> in(1), out;
    in.send(std::make_unique<int>(1));
    std::unique_ptr<int> got;
    EXPECT_EQ(select(on_send(out, std::make_unique<int>(2), must_not_fire),
                     on_receive(in, [&](std::optional<std::unique_ptr<int>> v) { got = std::move(v.value()); })),
              1u);
    EXPECT_EQ(*got, 1);
    auto sending = on_send(out, std::make_unique<int>(3));
    EXPECT_EQ(select(sending, otherwise([] {})), 1u);
    fiber receiver = spawn([&] { got = *out.receive(); });
    EXPECT_EQ(select(sending), 0u) << "a case that did not fire has its value";
    receiver.join();
    EXPECT_EQ(*got, 3);
  });
}

TEST_P(select_test, closing_wakes_both_ends) {
  run([] {
    channel<int> ch;
    park_probe probe;
    std::error_code code;
    bool ended = false;
    fiber sender = spawn([&] {
      probe.here();
      try {
        select(on_send(ch, 1, must_not_fire), after(1h, must_not_fire));
      } catch (const std::system_error& e) {
        code = e.code();
      }
    });
    probe.await_parked();
    ch.close();
    sender.join();
    EXPECT_EQ(code, std::errc::broken_pipe);
    channel<int> other;
    park_probe second;
    fiber receiver = spawn([&] {
      second.here();
      select(on_receive(other, [&](std::optional<int> v) { ended = !v.has_value(); }), after(1h, must_not_fire));
    });
    second.await_parked();
    other.close();
    receiver.join();
    EXPECT_TRUE(ended);
  });
}

TEST_P(select_test, a_join_rethrows) {
  run([] {
    fiber f = spawn([] { throw std::runtime_error("from the fiber"); });
    EXPECT_THROW(select(on_join(f, must_not_fire)), std::runtime_error);
    EXPECT_FALSE(f.joinable());
    EXPECT_THROW(select(on_join(f, must_not_fire)), std::system_error) << "not joinable";
  });
}

TEST_P(select_test, an_exception_of_the_handler_goes_to_the_caller) {
  run([] {
    channel<int> ch(1);
    ch.send(1);
    EXPECT_THROW(select(on_receive(ch, [](std::optional<int>) { throw 1; })), int);
    EXPECT_EQ(ch.size(), 0u) << "the case has fired";
  });
}

TEST_P(select_test, ambient_stop_and_deadline_end_it) {
  run([] {
    channel<int> ch;
    const auto wait = [&] {
      try {
        select(on_receive(ch, must_not_fire), on_send(ch, 1, must_not_fire));
      } catch (const std::system_error& e) {
        return e.code();
      }
      return std::error_code();
    };
    std::error_code code;
    park_probe probe;
    scope s(on_exception::log);
    s.spawn([&] {
      probe.here();
      code = wait();
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
    EXPECT_FALSE(ch.try_send(1));
    EXPECT_FALSE(ch.try_receive().has_value());
    {
      scope timed(steady_clock::now() + 2ms);
      timed.spawn([&] { code = wait(); });
      timed.join();
    }
    EXPECT_EQ(code, std::errc::timed_out);
  });
}

TEST_P(select_test, streams_of_ours) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream client;
    EXPECT_EQ(select(on_readable(listener, must_not_fire), after(1ms, [] {})), 1u);
    client = tcp_stream::connect(listener.local_endpoint());
    tcp_stream server;
    EXPECT_EQ(select(on_readable(listener, [&] { server = listener.accept(); }), after(1h, must_not_fire)), 0u);
    // Again and again, with and without data, on a registration that lasts.
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(select(on_readable(server, must_not_fire), otherwise([] {})), 1u);
      const std::byte one{1};
      fiber writer = spawn([&] { client.write_all(std::span(&one, 1)); });
      std::byte got{0};
      EXPECT_EQ(select(on_readable(server, [&] { server.read_exact(std::span(&got, 1)); }), after(1h, must_not_fire)),
                0u);
      EXPECT_EQ(got, one);
      writer.join();
    }
    EXPECT_EQ(select(on_writable(server, [] {})), 0u);
    park_probe probe;
    fiber waiter = spawn([&] {
      probe.here();
      std::byte b;
      std::error_code ec;
      select(on_readable(server, [&] { server.read_some(std::span(&b, 1), ec); }), after(1h, must_not_fire));
      EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    });
    probe.await_parked();
    server.close();
    waiter.join();
  });
}

TEST_P(select_test, futures) {
  run([] {
    promise<int> first;
    promise<void> second;
    future<int> a = first.get_future();
    const shared_future<void> b = second.get_future().share();
    EXPECT_EQ(select(on_ready(a, must_not_fire), on_ready(b, must_not_fire), otherwise([] {})), 2u);
    park_probe probe;
    int got = 0;
    fiber f = spawn([&] {
      probe.here();
      EXPECT_EQ(select(on_ready(b, must_not_fire), on_ready(a, [&] { got = a.get(); })), 1u);
    });
    probe.await_parked();
    first.set_value(3);
    f.join();
    EXPECT_EQ(got, 3);
    second.set_value();
    EXPECT_EQ(select(on_ready(b, [] {})), 0u);
    EXPECT_THROW(select(on_ready(a, must_not_fire)), std::future_error) << "get() has taken it";
  });
}

// Who waited in front of others for a descriptor and then goes another way hands the turn on.
TEST_P(select_test, a_turn_is_passed_on) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream client = tcp_stream::connect(listener.local_endpoint());
    tcp_stream server = listener.accept();
    park_probe first, second;
    fiber selecting = spawn([&] {
      first.here();
      EXPECT_EQ(select(on_readable(server, [] {}), after(1h, must_not_fire)), 0u);  // and does not read
    });
    first.await_parked();
    std::byte got{0};
    fiber reading = spawn([&] {
      second.here();
      server.read_exact(std::span(&got, 1));
    });
    second.await_parked();
    const std::byte one{1};
    client.write_all(std::span(&one, 1));
    selecting.join();
    reading.join();
    EXPECT_EQ(got, one);
  });
}

/// Fires while it is enlisted, or by a time that has passed: either way the select does not park. Until then something
/// happens that others would do from another thread.
class case_without_a_park final : public detail::select_case {
 public:
  case_without_a_park(bool timed, stop_source& source) : timed_(timed), source_(source) {}
  void run() override {}
  bool try_fire(detail::waiter*&) override { return false; }
  bool enlist(detail::waiter&, std::uint16_t) noexcept override {
    if (!std::exchange(stopped_, true)) source_.request_stop();
    return timed_;
  }
  [[nodiscard]] detail::nanos deadline() const noexcept override {
    return timed_ ? std::numeric_limits<detail::nanos>::min() : detail::never;
  }

 private:
  bool timed_;
  bool stopped_ = false;
  stop_source& source_;
};

// Regression: such a stop left its note behind, which ended the next wait, whatever that was for.
TEST_P(select_test, a_stop_just_before_a_park_that_does_not_come) {
  run([] {
    const auto body = [] {
      for (const bool timed : {false, true}) {
        stop_source source;
        case_without_a_park other(timed, source);
        auto stop = on_stop(source.get_token(), [] {});
        detail::select_case* const cases[] = {&stop, &other};
        EXPECT_EQ(detail::select_among(cases), timed ? 1u : 0u);
        EXPECT_TRUE(source.stop_requested());
        channel<int> later;
        park_probe p;
        fiber sender = spawn([&] {
          p.await_parked();
          later.send(7);
        });
        p.here();
        EXPECT_EQ(later.receive(), 7);
        sender.join();
      }
    };
    spawn(body).join();
  });
}

TEST_P(select_test, descriptors_that_are_none) {
  run([] {
    const int closed = [] {
      const test::fd_pair pair = test::unix_pair();
      return pair.a.get();
    }();
    channel<int> ch;
    try {
      select(on_readable(closed, must_not_fire), on_receive(ch, must_not_fire));
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::bad_file_descriptor);
    }
    const detail::unique_fd file = test::regular_file();
    EXPECT_EQ(select(on_readable(file.get(), [] {})), 0u) << "files are always ready";
  });
}

TEST_P(select_test, two_selects_on_one_foreign_descriptor) {
  run([] {
    const test::fd_pair pair = test::unix_pair();
    std::array<park_probe, 2> probes;
    std::vector<fiber> waiters;
    for (park_probe& p : probes) {
      waiters.push_back(spawn([&] {
        p.here();
        EXPECT_EQ(select(on_readable(pair.a.get(), [] {}), after(1h, must_not_fire)), 0u);
      }));
      p.await_parked();
    }
    test::put(pair.b.get(), "x");
    for (fiber& f : waiters) f.join();
  });
}

TEST(select_death_test, misuse_is_told) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(select(), "takes 1 to 60000 cases");
  EXPECT_DEATH(select(std::vector<any_case>()), "takes 1 to 60000 cases");
  EXPECT_DEATH(
      {
        channel<int> ch(2);
        auto once = on_send(ch, 1);
        select(once);
        select(once);
      },
      "has sent its value already");
  EXPECT_DEATH(sennit::run([] {
                 std::optional<fiber> self;
                 event go;
                 self.emplace([&] {
                   go.wait();
                   select(on_join(*self, [] {}));
                 });
                 go.set();
                 self->join();
               }),
               "waits for ever");
}

}  // namespace
}  // namespace sennit

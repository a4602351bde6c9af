// Every wait takes a stop_token: one test over all of them, and what a stop meets on its way.
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

#if defined(__clang__)  // locks are tried by one fiber and held by another
#pragma clang diagnostic ignored "-Wthread-safety-analysis"
#endif

namespace sennit {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::code_of;
using test::park_probe;
using test::scaled;

class stop_token_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(stop_token_test);

/// A wait that only the token ends. True: it ended as its documentation says.
using stoppable = std::function<bool(const stop_token&)>;

template <class F>
stoppable throws(F f) {
  return [f](const stop_token& stop) { return code_of([&] { f(stop); }) == std::errc::operation_canceled; };
}

/// Things that nobody sets, fills, unlocks or ends.
struct world {
  event e;
  wait_group group;
  latch l{1};
  counting_semaphore<> permits{0};
  channel<int> rendezvous;
  timed_mutex timed;
  recursive_timed_mutex recursive;
  shared_timed_mutex shared;
  mutex m;
  condition_variable cv;
  condition_variable_any cv_any;
  test::fd_pair pair = test::unix_pair();
  tcp_listener listener;
  tcp_stream connected, accepted;
  fiber sleeper;
  event over;

  explicit world(runtime& rt) {
    group.add();
    listener = tcp_listener::bind("127.0.0.1:0");
    connected = tcp_stream::connect(listener.local_endpoint());
    accepted = listener.accept();
    sleeper = rt.spawn([this] { over.wait(); });
  }
  ~world() {
    over.set();
    sleeper.join();
  }

  std::map<std::string, stoppable> waits() {
    constexpr auto no = [] { return false; };
    return {
        {"event", throws([this](const stop_token& s) { e.wait(s); })},
        {"event_for", throws([this](const stop_token& s) { e.wait_for(1h, s); })},
        {"event_until", throws([this](const stop_token& s) { e.wait_until(steady_clock::now() + 1h, s); })},
        {"wait_group", throws([this](const stop_token& s) { group.wait(s); })},
        {"wait_group_for", throws([this](const stop_token& s) { group.wait_for(1h, s); })},
        {"latch", throws([this](const stop_token& s) { l.wait(s); })},
        {"latch_for", throws([this](const stop_token& s) { l.wait_for(1h, s); })},
        {"barrier", throws([](const stop_token& s) { barrier<>(2).arrive_and_wait(s); })},
        {"semaphore", throws([this](const stop_token& s) { permits.acquire(s); })},
        {"semaphore_for", throws([this](const stop_token& s) { (void)permits.try_acquire_for(1h, s); })},
        {"channel_receive", throws([this](const stop_token& s) { rendezvous.receive(s); })},
        {"channel_receive_for", throws([this](const stop_token& s) { rendezvous.receive_for(1h, s); })},
        {"channel_send", throws([](const stop_token& s) { channel<int>().send(1, s); })},
        {"channel_send_for", throws([](const stop_token& s) { channel<int>().send_for(1, 1h, s); })},
        {"sleep", throws([](const stop_token& s) { this_fiber::sleep_for(1h, s); })},
        {"sleep_until", throws([](const stop_token& s) { this_fiber::sleep_until(steady_clock::now() + 1h, s); })},
        {"join", throws([this](const stop_token& s) { sleeper.join(s); })},
        {"join_for", throws([this](const stop_token& s) { sleeper.try_join_for(1h, s); })},
        {"readable", throws([this](const stop_token& s) { wait_readable(pair.a.get(), s); })},
        {"readable_for", throws([this](const stop_token& s) { wait_readable_for(pair.a.get(), 1h, s); })},
        {"accept", throws([this](const stop_token& s) { listener.accept(s); })},
        {"read", throws([this](const stop_token& s) {
           std::array<std::byte, 8> room;
           connected.read_some(room, s);
         })},
        {"read_exact", throws([this](const stop_token& s) {
           std::array<std::byte, 8> room;
           connected.read_exact(room, s);
         })},
        {"timed_mutex",
         [this](const stop_token& s) {
           const std::lock_guard held(timed);
           bool got = true;
           spawn([&] { got = timed.try_lock_for(1h, s); }).join();
           return !got;
         }},
        {"recursive_timed_mutex",
         [this](const stop_token& s) {
           const std::lock_guard held(recursive);
           bool got = true;
           spawn([&] { got = recursive.try_lock_until(steady_clock::now() + 1h, s); }).join();
           return !got;
         }},
        {"shared_timed_mutex",
         [this](const stop_token& s) {
           const std::lock_guard held(shared);
           bool got = true;
           spawn([&] { got = shared.try_lock_for(1h, s) || shared.try_lock_shared_for(1h, s); }).join();
           return !got;
         }},
        {"condition_variable",
         [this, no](const stop_token& s) {
           std::unique_lock lock(m);
           return !cv.wait(lock, s, no) && lock.owns_lock();
         }},
        {"condition_variable_for",
         [this, no](const stop_token& s) {
           std::unique_lock lock(m);
           return !cv.wait_for(lock, s, 1h, no) && lock.owns_lock();
         }},
        {"condition_variable_any",
         [this, no](const stop_token& s) {
           std::unique_lock lock(m);
           return !cv_any.wait(lock, s, no) && lock.owns_lock();
         }},
        {"condition_variable_any_until",
         [this, no](const stop_token& s) {
           std::unique_lock lock(m);
           return !cv_any.wait_until(lock, s, steady_clock::now() + 1h, no) && lock.owns_lock();
         }},
    };
  }
};

TEST_P(stop_token_test, ends_every_wait_of_a_fiber) {
  run([] {
    world w(*runtime::current());
    for (const auto& [name, wait] : w.waits()) {
      stop_source before;
      before.request_stop();
      EXPECT_TRUE(wait(before.get_token())) << name << ", stopped before it began";
      stop_source during;
      park_probe probe;
      fiber f = spawn([&, ends = &wait, what = &name] {
        probe.here();
        EXPECT_TRUE((*ends)(during.get_token())) << *what;
      });
      probe.await_parked();
      during.request_stop();
      f.join();
    }
  });
}

TEST_P(stop_token_test, ends_every_wait_of_a_plain_thread) {
  runtime rt(opts());
  world w(rt);
  for (const auto& [name, wait] : w.waits()) {
    if (name.find("mutex") != std::string::npos) continue;  // theirs wait in fibers of their own
    stop_source before;
    before.request_stop();
    EXPECT_TRUE(wait(before.get_token())) << name << ", stopped before it began";
    stop_source during;
    park_probe probe;
    std::thread t([&, ends = &wait, what = &name] {
      probe.here();
      EXPECT_TRUE((*ends)(during.get_token())) << *what;
    });
    rt.run([&] { probe.await_parked(); });
    during.request_stop();
    t.join();
  }
}

TEST_P(stop_token_test, what_is_there_already_wins) {
  run([] {
    stop_source stopped;
    stopped.request_stop();
    const stop_token stop = stopped.get_token();
    event e;
    e.set();
    e.wait(stop);
    counting_semaphore<> permits(1);
    permits.acquire(stop);
    channel<int> ch(1);
    ch.send(7, stop);
    EXPECT_EQ(ch.receive(stop), 7);
    mutex m;
    condition_variable cv;
    std::unique_lock lock(m);
    EXPECT_TRUE(cv.wait(lock, stop, [] { return true; }));
    fiber f = spawn([] {});
    test::until([&] { return f.try_join_for(0s); });
    EXPECT_FALSE(f.joinable());
  });
}

// A stop and what is waited for come together: one of them, whole. Nothing is taken by a wait that was stopped.
TEST_P(stop_token_test, stop_and_permit_together) {
  detail::random_source random(test::seed());
  runtime other(opts());
  std::size_t stops = 0;
  const std::size_t rounds = scaled(100'000);
  run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      counting_semaphore<> permits(0);
      stop_source source;
      std::error_code code;
      fiber waiter = spawn([&] { code = code_of([&] { permits.acquire(source.get_token()); }); });
      fiber stopper = other.spawn([&] { source.request_stop(); });
      for (std::uint32_t spin = random.below(400); spin > 0; --spin) detail::cpu_pause();
      permits.release();
      waiter.join();
      stopper.join();
      ASSERT_TRUE(!code || code == std::errc::operation_canceled) << code;
      ASSERT_EQ(permits.try_acquire(), static_cast<bool>(code)) << "round " << i;
      stops += code ? 1 : 0;
    }
  });
  std::cout << stops << " of " << rounds << " were stopped\n";
}

// Many waits, one after the other, of one token that is stopped at the end: registrations come and go.
TEST_P(stop_token_test, one_token_for_many_waits) {
  run([] {
    stop_source source;
    event go_on;
    counting_semaphore<> ping(0), pong(0);
    std::size_t turns = 0;
    fiber f = spawn([&] {
      EXPECT_EQ(code_of([&] {
                  for (;;) {
                    ping.acquire(source.get_token());
                    ++turns;
                    pong.release();
                  }
                }),
                std::errc::operation_canceled);
    });
    const std::size_t n = scaled(100'000);
    for (std::size_t i = 0; i < n; ++i) {
      ping.release();
      pong.acquire(source.get_token());
    }
    source.request_stop();
    f.join();
    EXPECT_EQ(turns, n);
  });
}

// The stop comes at any moment, also between the registration and the park.
TEST_P(stop_token_test, no_stop_is_missed) {
  detail::random_source random(test::seed());
  run([&] {
    for (std::size_t i = 0; i < scaled(50'000); ++i) {
      stop_source source;
      event never_set;
      const bool from_thread = i % 64 == 0;
      std::thread thread;
      fiber stopper;
      const auto stop = [&, spins = random.below(300)] {
        for (std::uint32_t s = spins; s > 0; --s) detail::cpu_pause();
        source.request_stop();
      };
      if (from_thread) {
        thread = std::thread(stop);
      } else {
        stopper = spawn(stop);
      }
      EXPECT_EQ(code_of([&] { never_set.wait(source.get_token()); }), std::errc::operation_canceled);
      if (from_thread) thread.join();
    }
  });
}

TEST_P(stop_token_test, works_beside_deadlines_and_ambient_stops) {
  run([] {
    stop_source source;
    event e;
    EXPECT_FALSE(e.wait_for(1ms, source.get_token()));
    scope s(on_exception::log);
    park_probe probe;
    std::error_code code;
    s.spawn([&] {
      probe.here();
      code = code_of([&] { e.wait(source.get_token()); });
    });
    probe.await_parked();
    s.request_stop();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
  });
}

}  // namespace
}  // namespace sennit

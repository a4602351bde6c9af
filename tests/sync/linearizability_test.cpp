// Recorded runs of channels and semaphores, checked against what these do when nobody else is there
// (support/sequential.hpp): fibers of one and of two runtimes and plain threads, with deadlines, stops and close.
#include "support/linearizability.hpp"

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>
#include <sennit/semaphore.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"
#include "support/sequential.hpp"

namespace sennit {
namespace {

using std::chrono::microseconds;
using test::channel_op;
using test::channel_spec;
using test::history;
using test::park_probe;
using test::rendezvous_spec;
using test::scaled;
using test::semaphore_op;
using test::semaphore_spec;

/// Those who take part in one run, as whoever drives it sees them.
class crowd {
 public:
  explicit crowd(std::size_t count) : members_(count) {}

  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(members_.size()); }
  [[nodiscard]] bool all_done() const {
    return std::all_of(members_.begin(), members_.end(), [](const member& m) { return m.done.load(); });
  }
  /// Each of them is done or waits: nothing happens any more, but for deadlines.
  [[nodiscard]] bool settled() const {
    return std::all_of(members_.begin(), members_.end(),
                       [](const member& m) { return m.done.load() || m.probe.parked(); });
  }

  /// body(who) for each, the last ones outside if there is an `other` runtime or `with_thread`; meanwhile
  /// drive(scope of the others), which returns when all are done or sure to be.
  template <class Body, class Drive>
  void run(runtime* other, bool with_thread, Body&& body, Drive&& drive) {
    std::atomic<bool> over{false};
    const auto take_part = [&](unsigned who) {
      members_[who].probe.here();
      body(who);
      members_[who].done = true;
    };
    unsigned left = size();
    std::thread thread;
    fiber foreign;
    if (with_thread) {
      thread = std::thread([&, who = --left] {
        take_part(who);
        over.wait(false);  // the probe looks at the thread for as long as somebody drives
      });
    }
    if (other != nullptr) foreign = other->spawn([&, who = --left] { take_part(who); });
    {
      scope s;
      while (left > 0) s.spawn(take_part, --left);
      drive(s);
      s.join();
    }
    if (foreign.joinable()) foreign.join();
    over = true;
    over.notify_all();
    if (thread.joinable()) thread.join();
  }

 private:
  struct member {
    park_probe probe;
    std::atomic<bool> done{false};
  };
  std::vector<member> members_;
};

template <class Op>
std::string to_string(const history<Op>& h) {
  auto events = h.events();
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
  std::ostringstream out;
  for (const auto& e : events) out << e.invoked << ".." << e.responded << " by " << e.who << ": " << e.op << '\n';
  return out.str();
}

/// Any number of yields that a random source likes.
void dawdle(detail::random_source& random) {
  for (std::uint32_t i = random.below(12); i > 8; --i) this_fiber::yield();
}

/// The operations of a channel, recorded.
class recorded_channel {
 public:
  using call = channel_op::call;
  using result = channel_op::result;

  template <class... Args>
  explicit recorded_channel(unsigned participants, Args... kind) : history_(participants), channel_(kind...) {}

  void act(unsigned who, call what, unsigned char message, microseconds patience = {}) {
    history_.record(who, [&]() -> channel_op {
      try {
        return perform(what, message, patience);
      } catch (const std::system_error& e) {
        if (e.code() == std::errc::broken_pipe) return {what, result::closed, message};
        if (e.code() == std::errc::operation_canceled) return {what, result::canceled, message};
        throw;
      }
    });
  }
  [[nodiscard]] bool closed() const { return channel_.closed(); }
  [[nodiscard]] std::size_t size() const { return channel_.size(); }
  [[nodiscard]] const history<channel_op>& recorded() const { return history_; }

 private:
  channel_op perform(call what, unsigned char message, microseconds patience) {
    const auto got = [what](std::optional<unsigned char> m, result otherwise) -> channel_op {
      return m ? channel_op{what, result::done, *m} : channel_op{what, otherwise};
    };
    switch (what) {
      case call::send: channel_.send(message); break;
      case call::try_send:
        if (!channel_.try_send(message)) return {what, result::would_wait, message};
        break;
      case call::send_for:
        if (!channel_.send_for(message, patience)) return {what, result::timed_out, message};
        break;
      case call::receive: return got(channel_.receive(), result::closed);
      case call::try_receive: return got(channel_.try_receive(), result::nothing);
      case call::receive_for: return got(channel_.receive_for(patience), result::nothing);
      case call::close: channel_.close(); break;
    }
    return {what, result::done, message};
  }

  history<channel_op> history_;
  channel<unsigned char> channel_;
};

class linearizability_test : public test::runtimes {
 protected:
  /// What has been checked, for the line at the end.
  struct tally {
    std::size_t histories = 0;
    std::size_t operations = 0;

    ~tally() { std::cout << histories << " histories, " << operations << " operations" << std::endl; }
    tally() = default;
    tally(const tally&) = delete;
    tally& operator=(const tally&) = delete;

    template <class Spec, class Op>
    [[nodiscard]] bool check(const Spec& initial, const history<Op>& h) {
      auto events = h.events();
      ++histories;
      operations += events.size();
      return test::linearizability<Spec, Op>::holds(std::move(events), initial);
    }
  };

  /// A run on a channel, of which messages 1 .. `there` have been sent, after `before` that were also received.
  static void run_channel(recorded_channel& ch, crowd& members, detail::random_source& random, runtime& other,
                          unsigned before, unsigned there) {
    using call = channel_op::call;
    const unsigned driver = members.size();
    unsigned char message = 0;
    for (unsigned i = 0; i < before; ++i) {
      ch.act(driver, call::send, ++message);
      ch.act(driver, call::receive, 0);
    }
    for (unsigned i = 0; i < there; ++i) ch.act(driver, call::send, ++message);

    constexpr unsigned each = 7;
    const std::uint64_t seed = random.next();
    const auto body = [&, first = message](unsigned who) {
      constexpr call calls[] = {call::send,    call::send,        call::try_send,    call::send_for,   call::send_for,
                                call::receive, call::try_receive, call::receive_for, call::receive_for};
      detail::random_source mine(seed + who * 0x9e37'79b9'7f4a'7c15u);
      for (unsigned i = 0; i < each; ++i) {
        test::stir(mine);
        const call what = mine.below(64) == 0 ? call::close : calls[mine.below(std::size(calls))];
        ch.act(who, what, static_cast<unsigned char>(first + who * each + i + 1), microseconds(mine.below(20)));
        dawdle(mine);
      }
    };
    const bool early = random.below(3) == 0;
    const bool stops = random.below(4) == 0;
    members.run(random.below(3) == 0 ? &other : nullptr, random.below(6) == 0, body, [&](scope& fibers) {
      std::uint32_t patience = random.below(20);
      test::until([&] { return members.settled() || (early && patience-- == 0); });
      if (stops) fibers.request_stop();
      ch.act(driver, call::close, 0);
      test::until([&] { return members.all_done(); });
    });
    while (ch.size() > 0) ch.act(driver, call::receive, 0);
    ch.act(driver, call::receive, 0);
  }
};
INSTANTIATE_RUNTIMES(linearizability_test);

TEST_P(linearizability_test, channels_with_a_buffer) {
  detail::random_source random(test::seed());
  tally checked;
  runtime other(opts());
  run([&] {
    for (std::size_t round = 0; round < scaled(10'000); ++round) {
      const std::size_t capacity = 1 + random.below(2);
      crowd members(3 + random.below(2));
      recorded_channel ch(members.size() + 1, capacity);
      run_channel(ch, members, random, other, random.below(3), random.below(static_cast<std::uint32_t>(capacity) + 1));
      ASSERT_TRUE(checked.check(channel_spec(capacity), ch.recorded())) << to_string(ch.recorded());
    }
  });
}

// As many messages are there that the ring grows in the middle of it, from a place where it has wrapped.
TEST_P(linearizability_test, unbounded_channels) {
  detail::random_source random(test::seed());
  tally checked;
  runtime other(opts());
  run([&] {
    for (std::size_t round = 0; round < scaled(10'000); ++round) {
      crowd members(3 + random.below(2));
      recorded_channel ch(members.size() + 1, unbounded);
      run_channel(ch, members, random, other, random.below(16), random.below(2) == 0 ? 13 + random.below(4) : 0);
      ASSERT_TRUE(checked.check(channel_spec(channel_spec::unbounded), ch.recorded())) << to_string(ch.recorded());
    }
  });
}

TEST_P(linearizability_test, rendezvous_channels) {
  detail::random_source random(test::seed());
  tally checked;
  runtime other(opts());
  run([&] {
    for (std::size_t round = 0; round < scaled(10'000); ++round) {
      crowd members(3 + random.below(2));
      recorded_channel ch(members.size() + 1, std::size_t{0});
      run_channel(ch, members, random, other, 0, 0);
      ASSERT_TRUE(checked.check(rendezvous_spec(), ch.recorded())) << to_string(ch.recorded());
    }
  });
}

TEST_P(linearizability_test, semaphores) {
  using call = semaphore_op::call;
  using result = semaphore_op::result;
  detail::random_source random(test::seed());
  tally checked;
  runtime other(opts());
  run([&] {
    for (std::size_t round = 0; round < scaled(10'000); ++round) {
      const int permits = static_cast<int>(random.below(3));
      counting_semaphore<> semaphore(permits);
      crowd members(3 + random.below(2));
      const unsigned driver = members.size();
      history<semaphore_op> recorded(members.size() + 1);
      const auto act = [&](unsigned who, call what, int n, microseconds patience) {
        return recorded.record(who, [&]() -> semaphore_op {
          try {
            switch (what) {
              case call::acquire: semaphore.acquire(); break;
              case call::try_acquire:
                if (!semaphore.try_acquire()) return {what, result::would_wait};
                break;
              case call::try_acquire_for:
                if (!semaphore.try_acquire_for(patience)) return {what, result::timed_out};
                break;
              case call::release: semaphore.release(n); break;
            }
            return {what, result::done, n};
          } catch (const std::system_error& e) {
            if (e.code() != std::errc::operation_canceled) throw;
            return {what, result::canceled};
          }
        });
      };
      const std::uint64_t seed = random.next();
      const auto body = [&](unsigned who) {
        detail::random_source mine(seed + who * 0x9e37'79b9'7f4a'7c15u);
        for (unsigned i = 0; i < 8; ++i) {
          test::stir(mine);
          constexpr call calls[] = {call::acquire,         call::try_acquire, call::try_acquire_for,
                                    call::try_acquire_for, call::release,     call::release};
          const call what = calls[mine.below(std::size(calls))];
          const int n = what == call::release ? static_cast<int>(mine.below(3)) : 1;
          act(who, what, n, microseconds(mine.below(20)));
          dawdle(mine);
        }
      };
      bool stops = random.below(4) == 0;
      members.run(random.below(3) == 0 ? &other : nullptr, random.below(6) == 0, body, [&](scope& fibers) {
        while (!members.all_done()) {
          if (members.settled()) {
            if (std::exchange(stops, false)) fibers.request_stop();
            act(driver, call::release, 1, {});
          }
          this_fiber::yield();
        }
      });
      while (act(driver, call::try_acquire, 1, {}).how == result::done) {}  // what was given and not taken
      ASSERT_TRUE(checked.check(semaphore_spec(permits), recorded)) << to_string(recorded);
    }
  });
}

}  // namespace
}  // namespace sennit

// Crowds that select: each message is received once, by one, whatever else was in the selects.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using test::scaled;
using message = std::unique_ptr<std::size_t>;

class select_stress_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(select_stress_test);

/// Messages 0 .. count-1: how often each was received.
class tally {
 public:
  explicit tally(std::size_t count) : seen_(count) {}
  void received(std::size_t n) { ++seen_[n]; }
  void expect_each_once() const {
    for (std::size_t n = 0; n < seen_.size(); ++n) ASSERT_EQ(seen_[n], 1) << "message " << n;
  }

 private:
  std::vector<std::atomic<int>> seen_;
};

// Every one of a crowd sends its messages and receives as many, by selects that offer both on several channels at once:
// two runtimes and plain threads. Many meet another select, which could deadlock, double or lose.
TEST_P(select_stress_test, selects_against_selects) {
  constexpr std::size_t crowd = 7;
  const std::size_t each = scaled(100'000);
  tally book(crowd * each);
  std::atomic<std::size_t> received{0};
  std::vector<std::unique_ptr<channel<message>>> channels;
  for (const std::size_t capacity : {0u, 0u, 1u}) channels.push_back(std::make_unique<channel<message>>(capacity));
  const std::uint64_t seed = test::seed();
  event all_received;
  const auto body = [&](std::size_t self) {
    detail::random_source random(seed + self);
    std::size_t sent = 0;
    const auto on_message = [&](std::optional<message> m) {
      book.received(*m.value());
      if (++received == crowd * each) all_received.set();
    };
    bool over = false;
    while (!over) {
      channel<message>& a = *channels[random.below(3)];
      channel<message>& b = *channels[random.below(3)];
      if (sent < each) {
        select(on_send(a, std::make_unique<std::size_t>(self * each + sent), [&] { ++sent; }),
               on_receive(b, on_message), on_receive(*channels[random.below(3)], on_message),
               after(std::chrono::microseconds(random.below(200)), [] {}));
      } else {
        // All three: the last message may be in the one that has room.
        select(on_receive(*channels[0], on_message), on_receive(*channels[1], on_message),
               on_receive(*channels[2], on_message), on_event(all_received, [&] { over = true; }));
      }
    }
  };
  runtime other(opts());
  run([&] {
    std::vector<fiber> fibers;
    for (std::size_t i = 0; i < 4; ++i) fibers.push_back(spawn(body, i));
    for (std::size_t i = 4; i < 6; ++i) fibers.push_back(other.spawn(body, i));
    std::thread thread(body, std::size_t{6});
    for (fiber& f : fibers) f.join();
    thread.join();
  });
  book.expect_each_once();
  std::cout << crowd * each << " messages\n";
}

// Permits, events and stops race with messages: a select that fires one case has not taken the other.
TEST_P(select_stress_test, exactly_one_of_those_that_come_together) {
  detail::random_source random(test::seed());
  runtime other(opts());
  const std::size_t rounds = scaled(60'000);
  std::array<std::size_t, 4> fired{};
  run([&] {
    for (std::size_t round = 0; round < rounds; ++round) {
      channel<int> ch;
      counting_semaphore<> permits(0);
      stop_source source;
      std::size_t which = 9;
      fiber selecting = spawn([&] {
        which =
            select(on_receive(ch, [](std::optional<int>) {}), on_acquire(permits, [] {}),
                   on_stop(source.get_token(), [] {}), after(std::chrono::nanoseconds(random.below(40'000)), [] {}));
      });
      fiber sender = other.spawn([&] { return ch.send_for(1, std::chrono::milliseconds(0)); });
      fiber giver = other.spawn([&] { permits.release(); });
      fiber stopper = spawn([&] { source.request_stop(); });
      for (std::uint32_t spin = random.below(200); spin > 0; --spin) detail::cpu_pause();
      selecting.join();
      sender.join();
      giver.join();
      stopper.join();
      ASSERT_LT(which, 4u);
      ++fired[which];
      ASSERT_EQ(permits.try_acquire(), which != 1) << "round " << round;
      ASSERT_FALSE(ch.try_send(2));
    }
  });
  std::cout << "fired: message " << fired[0] << ", permit " << fired[1] << ", stop " << fired[2] << ", time "
            << fired[3] << '\n';
}

// Selects come and go on channels that are used by others all the time; ambient stops end some.
TEST_P(select_stress_test, stops_in_the_middle) {
  detail::random_source random(test::seed());
  run([&] {
    for (std::size_t round = 0; round < scaled(10'000); ++round) {
      constexpr std::size_t senders = 3;
      constexpr std::size_t each = 20;
      channel<message> a, b(1);
      std::vector<std::atomic<int>> sent(senders * each), got(senders * each);
      scope s;
      for (std::size_t self = 0; self < senders; ++self) {
        s.spawn([&, self] {
          for (std::size_t i = 0; i < each; ++i) {
            const std::size_t n = self * each + i;
            select(on_send(a, std::make_unique<std::size_t>(n), [&] { ++sent[n]; }),
                   on_send(b, std::make_unique<std::size_t>(n), [&] { ++sent[n]; }));
          }
        });
        s.spawn([&] {
          const auto take = [&](std::optional<message> m) { ++got[*m.value()]; };
          for (;;) select(on_receive(a, take), on_receive(b, take));
        });
      }
      for (std::uint32_t i = random.below(40); i > 0; --i) this_fiber::yield();
      s.request_stop();
      s.join();
      while (auto m = b.try_receive()) ++got[*m.value()];
      for (std::size_t n = 0; n < sent.size(); ++n) ASSERT_EQ(sent[n], got[n]) << "message " << n;
    }
  });
}

}  // namespace
}  // namespace sennit

// Crowds of senders and receivers: every message exactly once, in each sender's order, whatever ends the waits.
#include <memory>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using test::scaled;
using message = std::unique_ptr<std::size_t>;  // move-only

class channel_stress_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(channel_stress_test);

/// What happened to the messages 0 .. count-1, from any thread.
class ledger {
 public:
  explicit ledger(std::size_t count) : sent_(count), received_(count) {}
  void sent(std::size_t n) { ++sent_[n]; }
  void received(std::size_t n) { ++received_[n]; }
  /// Each that was sent was received once; none else was.
  void check() const {
    for (std::size_t n = 0; n < sent_.size(); ++n) ASSERT_EQ(sent_[n], received_[n]) << "message " << n;
  }
  [[nodiscard]] std::size_t total() const {
    std::size_t sum = 0;
    for (const auto& n : sent_) sum += static_cast<std::size_t>(n.load());
    return sum;
  }

 private:
  std::vector<std::atomic<int>> sent_, received_;
};

std::vector<std::unique_ptr<channel<message>>> channels_of_all_kinds() {
  std::vector<std::unique_ptr<channel<message>>> all;
  for (const std::size_t capacity : {0u, 1u, 16u}) all.push_back(std::make_unique<channel<message>>(capacity));
  all.push_back(std::make_unique<channel<message>>(unbounded));
  return all;
}

// Two runtimes and plain threads on both ends. Each receiver sees the messages of one sender in their order.
TEST_P(channel_stress_test, exactly_once_and_in_order_per_sender) {
  const std::size_t each = scaled(50'000);
  constexpr std::size_t senders = 6;
  for (const auto& ch : channels_of_all_kinds()) {
    ledger book(senders * each);
    const auto send = [&](std::size_t self) {
      for (std::size_t i = 0; i < each; ++i) {
        book.sent(self * each + i);
        ch->send(std::make_unique<std::size_t>(self * each + i));
      }
    };
    const auto receive = [&] {
      std::vector<std::size_t> next(senders, 0);
      for (message& m : *ch) {
        book.received(*m);
        std::size_t& expected = next[*m / each];
        ASSERT_GE(*m % each + 1, expected + 1) << "out of order";
        expected = *m % each + 1;
      }
    };
    runtime other(opts());
    run([&] {
      std::vector<fiber> sending;
      std::vector<fiber> receiving;
      for (std::size_t i = 0; i < 3; ++i) sending.push_back(spawn(send, i));
      for (std::size_t i = 3; i < 5; ++i) sending.push_back(other.spawn(send, i));
      std::thread sending_thread(send, std::size_t{5});
      for (int i = 0; i < 2; ++i) receiving.push_back(spawn(receive));
      receiving.push_back(other.spawn(receive));
      std::thread receiving_thread(receive);
      for (fiber& f : sending) f.join();
      sending_thread.join();
      ch->close();
      for (fiber& f : receiving) f.join();
      receiving_thread.join();
    });
    EXPECT_EQ(book.total(), senders * each);
    book.check();
  }
}

TEST_P(channel_stress_test, close_in_the_middle_loses_only_what_was_refused) {
  detail::random_source random(test::seed());
  std::size_t closed = 0, delivered = 0;
  run([&] {
    for (std::size_t round = 0; round < scaled(4'000); ++round) {
      for (const auto& ch : channels_of_all_kinds()) {
        constexpr std::size_t senders = 4;
        constexpr std::size_t each = 50;
        const std::uint32_t close_after = random.below(senders * each);
        ledger book(senders * each);
        std::atomic<std::uint32_t> received{0};
        scope s;
        for (std::size_t self = 0; self < senders; ++self) {
          s.spawn([&, self] {
            try {
              for (std::size_t i = 0; i < each; ++i) {
                ch->send(std::make_unique<std::size_t>(self * each + i));
                book.sent(self * each + i);
              }
            } catch (const std::system_error& e) {
              EXPECT_EQ(e.code(), std::errc::broken_pipe);
            }
          });
        }
        for (int i = 0; i < 3; ++i) {
          s.spawn([&] {
            while (auto m = ch->receive()) {
              book.received(**m);
              if (received++ == close_after) ch->close();
            }
          });
        }
        s.join();
        book.check();
        ++closed;
        delivered += book.total();
      }
    }
  });
  std::cout << closed << " channels closed, " << delivered << " messages before\n";
}

// Hazard 2: deadlines and data meet. A message is received, or its send said that it was not: never both, never
// neither.
TEST_P(channel_stress_test, deadline_and_data_together) {
  const std::uint64_t seed = test::seed();
  for (const std::size_t capacity : {0u, 2u}) {
    const std::size_t each = scaled(100'000);
    constexpr std::size_t senders = 3;
    channel<message> ch(capacity);
    ledger book(senders * each + 1);
    std::atomic<std::size_t> refused{0};
    run([&] {
      scope sending;
      scope receiving;
      for (std::size_t self = 0; self < senders; ++self) {
        sending.spawn([&, self] {
          detail::random_source random(seed + self);
          for (std::size_t i = 0; i < each; ++i) {
            const std::chrono::nanoseconds patience(random.below(3'000));
            if (ch.send_for(std::make_unique<std::size_t>(self * each + i), patience)) {
              book.sent(self * each + i);
            } else {
              ++refused;
            }
          }
        });
      }
      for (std::uint64_t self = 0; self < 2; ++self) {
        receiving.spawn([&, self] {
          detail::random_source random(seed + 100 + self);
          while (!ch.closed() || ch.size() > 0) {
            if (auto m = ch.receive_for(std::chrono::nanoseconds(random.below(3'000)))) book.received(**m);
          }
        });
      }
      sending.join();
      book.sent(senders * each);
      ch.send(std::make_unique<std::size_t>(senders * each));  // one that waits for its receiver
      ch.close();
      receiving.join();
    });
    EXPECT_EQ(book.total() + refused, senders * each + 1);
    book.check();
  }
}

// The same with ambient stops for deadlines.
TEST_P(channel_stress_test, stop_and_data_together) {
  detail::random_source random(test::seed());
  run([&] {
    for (std::size_t round = 0; round < scaled(20'000); ++round) {
      channel<message> ch(random.below(3));
      constexpr std::size_t senders = 3;
      constexpr std::size_t each = 20;
      ledger book(senders * each);
      for (std::size_t half = 0; half < 2; ++half) {
        scope s;
        for (std::size_t self = 0; self < senders; ++self) {
          s.spawn([&, self] {
            for (std::size_t i = half * each / 2; i < (half + 1) * each / 2; ++i) {
              ch.send(std::make_unique<std::size_t>(self * each + i));
              book.sent(self * each + i);
            }
          });
          s.spawn([&] {
            while (auto m = ch.receive()) book.received(**m);
          });
        }
        for (std::uint32_t i = random.below(30); i > 0; --i) this_fiber::yield();
        s.request_stop();
        s.join();
      }
      while (auto m = ch.try_receive()) book.received(**m);
      book.check();
    }
  });
}

}  // namespace
}  // namespace sennit

// The primitives between plain threads alone: no runtime in the process, the same promises.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/condition_variable.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/wait_group.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using test::haunted;
using test::scaled;

template <class F>
void in_threads(std::size_t count, F&& body) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& t : threads) t.join();
}

TEST(threads_test, mutual_exclusion) {
  const std::size_t each = scaled(200'000);
  mutex m;
  std::size_t counter = 0;
  in_threads(4, [&](std::size_t self) {
    for (std::size_t i = 0; i < each; ++i) {
      const std::lock_guard lock(m);
      ++counter;
      if (i % 64 == self) this_fiber::yield();
    }
  });
  EXPECT_EQ(counter, 4 * each);
}

TEST(threads_test, condition_variable_loses_no_notify) {
  const std::size_t rounds = scaled(50'000);
  mutex m;
  condition_variable cv;
  std::size_t ball = 0;
  in_threads(3, [&](std::size_t side) {
    for (;;) {
      std::unique_lock lock(m);
      cv.wait(lock, [&] { return ball % 3 == side || ball >= rounds; });
      if (ball >= rounds) return;
      ++ball;
      cv.notify_all();
    }
  });
  EXPECT_EQ(ball, rounds);
}

TEST(threads_test, event_and_wait_group_are_destroyed_at_once) {
  const std::size_t rounds = scaled(20'000);
  struct pair {
    event e;
    wait_group group;
  };
  std::atomic<haunted<pair>*> offered{nullptr};
  in_threads(2, [&](std::size_t self) {
    for (std::size_t i = 0; i < rounds; ++i) {
      if (self == 0) {
        haunted<pair> p;
        p->group.add();
        offered = &p;
        p->e.wait();
        p->group.wait();
        p.destroy();
        test::until([&] { return offered == nullptr; });
        ASSERT_TRUE(p.intact()) << "round " << i;
      } else {
        test::until([&] { return offered != nullptr; });
        pair& p = **offered.load();
        p.e.set();
        p.group.done();
        offered = nullptr;
      }
    }
  });
}

TEST(threads_test, channel_delivers_exactly_once) {
  const std::size_t each = scaled(50'000);
  for (const std::size_t capacity : {0u, 3u}) {
    channel<std::unique_ptr<std::size_t>> ch(capacity);
    std::vector<std::atomic<int>> seen(2 * each);
    wait_group sending;
    sending.add(2);
    in_threads(5, [&](std::size_t self) {
      if (self < 2) {
        for (std::size_t i = 0; i < each; ++i) ch.send(std::make_unique<std::size_t>(self * each + i));
        sending.done();
      } else if (self < 4) {
        for (const auto& message : ch) ++seen[*message];
      } else {
        sending.wait();
        ch.close();
      }
    });
    EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](const auto& n) { return n == 1; }));
  }
}

TEST(threads_test, deadline_and_data_together) {
  const std::size_t each = scaled(20'000);
  const std::uint64_t seed = test::seed();
  channel<std::size_t> ch;
  std::array<std::atomic<std::size_t>, 2> sums{};
  std::atomic<bool> end{false};
  in_threads(2, [&](std::size_t self) {
    detail::random_source random(seed + self);
    const auto patience = [&] { return std::chrono::nanoseconds(random.below(20'000)); };
    if (self == 0) {
      for (std::size_t i = 1; i <= each; ++i) {
        if (ch.send_for(i, patience())) sums[0] += i;
      }
      end = true;
    } else {
      while (!end) {
        if (const auto message = ch.receive_for(patience())) sums[1] += *message;
      }
    }
  });
  EXPECT_EQ(sums[0], sums[1]);
  EXPECT_GT(sums[0], 0u);
}

}  // namespace
}  // namespace sennit

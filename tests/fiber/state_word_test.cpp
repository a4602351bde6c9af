// The wake word: who wins, who loses, and what a park leaves behind. Hazards 1 and 2.
#include "fiber/state_word.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support/scale.hpp"

namespace sennit::detail {
namespace {

TEST(state_word_test, starts_active_and_cannot_be_claimed) {
  state_word s;
  EXPECT_EQ(s.peek(), 0u);
  EXPECT_FALSE(s.claim(s.epoch(), 1));
  EXPECT_FALSE(s.is_done());
}

TEST(state_word_test, a_claim_ends_the_park_and_tells_its_case) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  EXPECT_TRUE(s.claim(epoch, 7));
  EXPECT_EQ(s.case_won(), 7);
  EXPECT_EQ(s.epoch(), epoch + 1);
  EXPECT_EQ(s.peek() & state_word::parked, 0u);
}

TEST(state_word_test, the_second_claim_of_a_park_loses) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.claim(epoch, 1));
  EXPECT_FALSE(s.claim(epoch, case_timeout));
  EXPECT_EQ(s.case_won(), 1);
}

TEST(state_word_test, a_late_waker_cannot_end_the_next_park) {
  state_word s;
  const auto first = s.epoch();
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.claim(first, 0));
  const auto second = s.epoch();
  ASSERT_TRUE(s.publish(false));
  EXPECT_FALSE(s.claim(first, case_timeout)) << "made for the first park";
  EXPECT_TRUE(s.claim(second, 3));
}

TEST(state_word_test, a_recycled_block_is_deaf_to_old_wakers) {
  state_word s;
  const auto old = s.epoch();
  ASSERT_TRUE(s.publish(true));
  ASSERT_TRUE(s.request_stop());
  s.set_done();
  s.restart();
  EXPECT_FALSE(s.is_done());
  EXPECT_FALSE(s.stop_requested());
  ASSERT_TRUE(s.publish(false));
  EXPECT_FALSE(s.claim(old, 0));
  EXPECT_FALSE(s.claim(old + 1, 0)) << "the epoch that the stop left";
}

TEST(state_word_test, a_stop_ends_an_interruptible_park) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(true));
  EXPECT_TRUE(s.request_stop());
  EXPECT_EQ(s.case_won(), case_stop);
  EXPECT_FALSE(s.claim(epoch, 0));
  EXPECT_TRUE(s.stop_requested()) << "sticky";
}

TEST(state_word_test, a_stop_does_not_end_another_park_but_stays) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  EXPECT_FALSE(s.request_stop());
  EXPECT_TRUE(s.claim(epoch, 0));
  EXPECT_EQ(s.case_won(), 0);
  EXPECT_FALSE(s.publish(true)) << "the next interruptible park is refused";
  EXPECT_EQ(s.case_won(), case_stop);
  EXPECT_EQ(s.peek() & state_word::parked, 0u);
  s.clear_stop();
  EXPECT_TRUE(s.publish(true));
}

TEST(state_word_test, a_refused_park_is_over_for_its_wakers) {
  state_word s;
  const auto epoch = s.epoch();
  EXPECT_FALSE(s.request_stop());
  ASSERT_FALSE(s.publish(true));
  EXPECT_NE(s.epoch(), epoch);
  EXPECT_FALSE(s.claim(epoch, 0));
}

TEST(state_word_test, the_epoch_wraps) {
  state_word s;
  for (std::uint32_t i = 0; i < 3; ++i) s.restart();
  // 2^32 parks are too many to run: the arithmetic is the same from any start.
  const auto before = s.epoch();
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.claim(before, 0xfffb));
  EXPECT_EQ(s.epoch(), before + 1);
  EXPECT_EQ(s.case_won(), 0xfffb);
}

TEST(state_word_test, a_note_ends_the_park_it_was_made_for) {
  state_word s;
  EXPECT_FALSE(s.claim_or_note(s.epoch(), 3)) << "not parked yet";
  EXPECT_FALSE(s.publish(false));
  EXPECT_EQ(s.case_won(), 3);
  EXPECT_FALSE(s.claim_or_note(s.epoch() - 1, 3)) << "that park is over";
  ASSERT_TRUE(s.publish(false)) << "one note, one park";
}

TEST(state_word_test, a_note_without_a_park_is_forgotten) {
  state_word s;
  EXPECT_FALSE(s.claim_or_note(s.epoch(), 3));
  s.forget_note();
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  s.forget_note();
  EXPECT_TRUE(s.claim(epoch, 7)) << "a park is no note";
  EXPECT_EQ(s.case_won(), 7);
}

TEST(state_word_test, an_inspector_defers_the_waker) {
  state_word s;
  EXPECT_FALSE(s.begin_inspect()) << "running";
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.begin_inspect());
  ASSERT_TRUE(s.claim(epoch, 0));
  EXPECT_FALSE(s.may_run());
  EXPECT_TRUE(s.end_inspect()) << "the inspector must make it run";
  EXPECT_TRUE(s.may_run());
}

TEST(state_word_test, a_second_inspector_waits_for_the_first) {
  state_word s;
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.begin_inspect());
  std::atomic<bool> over{false};
  std::thread second([&] {
    EXPECT_TRUE(s.begin_inspect());
    EXPECT_TRUE(over);
    EXPECT_FALSE(s.end_inspect());
  });
  for (int i = 0; i < 100; ++i) std::this_thread::yield();
  over = true;
  EXPECT_FALSE(s.end_inspect());
  second.join();
}

TEST(state_word_test, who_must_run_the_waiter_at_once_loses_to_an_inspector) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.begin_inspect());
  EXPECT_FALSE(s.claim(epoch, 0, state_word::inspected));
  EXPECT_FALSE(s.end_inspect()) << "nobody has claimed it";
  EXPECT_TRUE(s.claim(epoch, 0, state_word::inspected));
}

TEST(state_word_test, an_inspection_that_nobody_disturbed_leaves_the_park) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(true));
  ASSERT_TRUE(s.begin_inspect());
  EXPECT_FALSE(s.end_inspect());
  ASSERT_TRUE(s.claim(epoch, 0));
  EXPECT_TRUE(s.may_run());
}

TEST(state_word_test, a_completion_wait_notes_the_stop_once_per_park) {
  state_word s;
  EXPECT_TRUE(s.note_stop_seen());
  EXPECT_FALSE(s.note_stop_seen());
  ASSERT_TRUE(s.publish(false));
  EXPECT_TRUE(s.note_stop_seen());
}

TEST(state_word_test, thread_ready_belongs_to_one_park) {
  state_word s;
  const auto epoch = s.epoch();
  ASSERT_TRUE(s.publish(false));
  ASSERT_TRUE(s.claim(epoch, 0));
  EXPECT_FALSE(s.is_thread_ready());
  s.set_thread_ready();
  EXPECT_TRUE(s.is_thread_ready());
  ASSERT_TRUE(s.publish(false));
  EXPECT_FALSE(s.is_thread_ready());
}

TEST(state_word_death_test, a_parked_waiter_cannot_park_again) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(
      {
        state_word s;
        static_cast<void>(s.publish(false));
        static_cast<void>(s.publish(false));
      },
      "only a running fiber can park");
}

// Four kinds of wakers at one park, all at once: one wins, and the owner sees what the winner wrote before.
TEST(state_word_test, one_of_many_wakers_wins_each_park) {
  const std::size_t rounds = test::scaled(1'000'000);
  state_word s;
  std::atomic<std::uint32_t> made_for{0};
  std::atomic<std::size_t> round{0};
  std::atomic<std::size_t> wins{0}, finished{0};
  constexpr std::size_t wakers = 3;
  std::size_t said[wakers] = {};
  std::vector<std::thread> threads;
  for (std::size_t w = 0; w < wakers; ++w) {
    threads.emplace_back([&, w] {
      for (std::size_t r = 1; r <= rounds; ++r) {
        while (round.load(std::memory_order_acquire) < r) std::this_thread::yield();
        said[w] = r;
        if (s.claim(made_for.load(std::memory_order_relaxed), static_cast<std::uint16_t>(w))) wins.fetch_add(1);
        finished.fetch_add(1);
      }
    });
  }
  for (std::size_t r = 1; r <= rounds; ++r) {
    made_for.store(s.epoch(), std::memory_order_relaxed);
    ASSERT_TRUE(s.publish(false));
    round.store(r, std::memory_order_release);
    while ((s.peek() & state_word::parked) != 0) std::this_thread::yield();
    const auto winner = s.case_won();
    ASSERT_LT(winner, wakers);
    ASSERT_EQ(said[winner], r) << "the winner's stores come before its claim";
    while (finished.load() < r * wakers) std::this_thread::yield();
    ASSERT_EQ(wins.load(), r);
  }
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace sennit::detail

// With SENNIT_DEBUG_CHECKS (the asan lane): a fiber that waits while it holds a std::mutex is told.
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <string>

#include <sennit/mutex.hpp>
#include <sennit/runtime.hpp>

#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class held_locks_test : public runtimes {};
INSTANTIATE_RUNTIMES(held_locks_test);

template <class F>
std::string said_in(const options& opts, F f) {
  ::testing::internal::CaptureStderr();
  sennit::run(opts, f);
  return ::testing::internal::GetCapturedStderr();
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST_P(held_locks_test, a_wait_with_a_mutex_is_told_once_for_each_place) {
  std::mutex m;
  std::timed_mutex t;
  const std::string text = said_in({.workers = 1}, [&] {
    for (int i = 0; i < 3; ++i) {
      const std::lock_guard lock(m);
      this_fiber::sleep_for(1ms);
    }
    ASSERT_TRUE(m.try_lock());
    this_fiber::sleep_for(1ms);
    m.unlock();
    ASSERT_TRUE(t.try_lock_for(1s));
    this_fiber::sleep_for(1ms);
    t.unlock();
  });
  EXPECT_EQ(count(text, "fiber 'main' (id "), 3u) << text;
  EXPECT_EQ(count(text, "waits while it holds a std::mutex, at 0x"), 3u) << text;
}

TEST_P(held_locks_test, who_unlocks_before_or_holds_another_kind_is_fine) {
  EXPECT_EQ(said_in(opts(),
                    [] {
                      std::mutex a, b;
                      mutex ours;
                      { const std::scoped_lock both(a, b); }
                      const std::lock_guard held(ours);
                      this_fiber::sleep_for(1ms);
                      a.lock();
                      b.lock();
                      a.unlock();  // not in the order of locking
                      b.unlock();
                      this_fiber::yield();
                    }),
            "");
}

}  // namespace
}  // namespace sennit::test

// Fibers that wait for each other are reported; those that something may still wake are not.
#include "sched/deadlock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <sennit/inspect.hpp>
#include <sennit/mutex.hpp>

#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

class deadlock_test : public runtimes {};
INSTANTIATE_RUNTIMES(deadlock_test);

TEST_P(deadlock_test, a_circle_of_a_join_and_a_mutex_is_named) {
  ::testing::internal::CaptureStderr();
  std::map<std::string, std::uint64_t> ids;
  {
    runtime rt(opts());
    stop_source stop;
    fiber joiner = rt.spawn(attributes{.name = "joiner"}, [token = stop.get_token()] {
      mutex m;
      m.lock();
      fiber other(attributes{.name = "locker"}, [&] { const std::lock_guard not_before(m); });
      EXPECT_THROW(other.join(token), std::system_error);
      m.unlock();
      other.join();
    });
    until([&] { return rt.stats().deadlocks != 0; });
    for (const fiber_info& f : rt.fibers()) ids[f.name] = f.id;
    stop.request_stop();
    joiner.join();
    EXPECT_EQ(rt.stats().deadlocks, 1u);
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  const auto says = [&](const std::string& what) { EXPECT_NE(text.find(what), std::string::npos) << what << text; };
  says("2 fibers wait for each other in a circle");
  says("'joiner' waits for join of fiber " + std::to_string(ids["locker"]));
  says("'locker' waits for mutex at 0x");
  says("held by fiber " + std::to_string(ids["joiner"]));
  says("deadlock_test.cpp:");
}

TEST_P(deadlock_test, a_circle_is_named_while_others_work) {
  ::testing::internal::CaptureStderr();
  {
    runtime rt(opts());
    rt.run([&] {
      mutex m;
      stop_source stop;
      m.lock();
      fiber locker([&] { const std::lock_guard not_before(m); });
      fiber worker([&] {
        while (rt.stats().deadlocks == 0) this_fiber::yield();
        stop.request_stop();
      });
      EXPECT_THROW(locker.join(stop.get_token()), std::system_error);
      m.unlock();
      locker.join();
      worker.join();
    });
  }
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("2 fibers wait for each other in a circle"),
            std::string::npos);
}

using detail::fiber_view;
using detail::one_wait;
using detail::wait_kind;

fiber_view waiting(std::uint64_t id, wait_kind kind, std::optional<std::uint64_t> holder = {}) {
  fiber_view f;
  f.id = id;
  f.state = fiber_view::how::parked;
  f.wait_for = kind;
  f.holder_id = holder;
  return f;
}

detail::wait_graph graph_of(const std::vector<fiber_view>& all) {
  detail::wait_graph graph;
  for (const fiber_view& f : all) graph.add(f);
  return graph;
}

std::vector<std::uint64_t> circle_of(const std::vector<fiber_view>& all) {
  std::vector<std::uint64_t> ids;
  for (const one_wait& w : graph_of(all).circle()) ids.push_back(w.fiber);
  std::ranges::sort(ids);
  return ids;
}

TEST(wait_graph, finds_the_circle_and_none_of_those_that_wait_for_it) {
  std::vector<fiber_view> all{waiting(1, wait_kind::mutex, 3), waiting(2, wait_kind::channel_receive),
                              waiting(3, wait_kind::join, 5),  waiting(5, wait_kind::mutex, 7),
                              waiting(7, wait_kind::mutex, 3), waiting(9, wait_kind::mutex, 7)};
  EXPECT_EQ(circle_of(all), (std::vector<std::uint64_t>{3, 5, 7}));
  all[3].deadline = 1;  // one of them gives up some day
  EXPECT_EQ(circle_of(all), std::vector<std::uint64_t>());
}

TEST(wait_graph, one_that_runs_or_is_not_there_ends_the_chain) {
  std::vector<fiber_view> all{waiting(1, wait_kind::mutex, 2), waiting(2, wait_kind::mutex, 1)};
  EXPECT_EQ(circle_of(all), (std::vector<std::uint64_t>{1, 2}));
  all[1].state = fiber_view::how::running;
  EXPECT_EQ(circle_of(all), std::vector<std::uint64_t>());
  EXPECT_EQ(circle_of({waiting(1, wait_kind::mutex, 4)}), std::vector<std::uint64_t>());
  EXPECT_EQ(circle_of({}), std::vector<std::uint64_t>());
}

// A circle is put together from looks at one fiber after the other.
TEST(wait_graph, another_wait_of_the_same_fiber_is_none_of_a_circle) {
  const std::vector<fiber_view> all{waiting(2, wait_kind::mutex, 1), waiting(1, wait_kind::mutex, 2)};
  const std::vector<one_wait> circle = graph_of(all).circle();
  const std::string lines = lines_of(circle, all);
  EXPECT_NE(lines.find("fiber 1 "), std::string::npos) << lines;
  EXPECT_NE(lines.find("fiber 2 "), std::string::npos) << lines;
  std::vector<fiber_view> now = all;
  now[1].epoch += 1;
  EXPECT_EQ(lines_of(circle, now), "");
  now = all;
  now[0].holder_id = 3;  // it was unlocked, and is another fiber's by now
  EXPECT_EQ(lines_of(circle, now), "");
  now = all;
  now[0].state = fiber_view::how::running;
  EXPECT_EQ(lines_of(circle, now), "");
  EXPECT_EQ(lines_of(circle, {all[0]}), "");
}

TEST(wait_graph, one_that_may_be_woken_from_outside_can_move) {
  const auto stuck = [](const std::vector<fiber_view>& all) { return graph_of(all).all_if_none_can_move().size(); };
  std::vector<fiber_view> all{waiting(1, wait_kind::mutex, 2), waiting(2, wait_kind::channel_receive)};
  EXPECT_EQ(stuck(all), 2u);
  EXPECT_EQ(stuck({}), 0u);
  for (const wait_kind kind : {wait_kind::sleep, wait_kind::read, wait_kind::write, wait_kind::descriptor,
                               wait_kind::helper, wait_kind::select, wait_kind::stack, wait_kind::timer}) {
    for (std::size_t at = 0; at <= all.size(); ++at) {
      std::vector<fiber_view> with_one = all;
      with_one.insert(with_one.begin() + static_cast<std::ptrdiff_t>(at), waiting(3, kind));
      EXPECT_EQ(stuck(with_one), 0u) << detail::name_of(kind);
    }
  }
  all[1].deadline = 1;
  EXPECT_EQ(stuck(all), 0u);
}

}  // namespace
}  // namespace sennit::test

// when_all and when_any.
#include <array>
#include <deque>
#include <future>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/runtime.hpp>
#include <sennit/when.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::park_probe;
using test::scaled;

class when_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(when_test);

template <class T>
bool is_ready(const T& f) {
  return f.wait_for(0s) == std::future_status::ready;
}

static_assert(std::is_same_v<decltype(when_all(std::declval<future<int>>(), std::declval<shared_future<void>&>())),
                             future<std::tuple<future<int>, shared_future<void>>>>);
static_assert(
    std::is_same_v<decltype(when_any(std::declval<future<int>>())), future<when_any_result<std::tuple<future<int>>>>>);

TEST_P(when_test, of_nothing_is_ready_at_once) {
  run([] {
    std::vector<future<int>> none;
    auto all = when_all();
    auto range = when_all(none.begin(), none.end());
    auto any = when_any();
    auto any_range = when_any(none.begin(), none.end());
    EXPECT_TRUE(is_ready(all) && is_ready(range) && is_ready(any) && is_ready(any_range));
    static_assert(std::is_same_v<decltype(all.get()), std::tuple<>>);
    EXPECT_TRUE(range.get().empty());
    EXPECT_EQ(any.get().index, static_cast<std::size_t>(-1));
    const auto result = any_range.get();
    EXPECT_EQ(result.index, result.npos);
    EXPECT_TRUE(result.futures.empty());
  });
}

TEST_P(when_test, all_waits_for_each_of_a_mix) {
  run([] {
    int target = 0;
    promise<int> a;
    promise<int&> b;
    promise<void> c;
    future<int> fa = a.get_future();
    const shared_future<void> fc = c.get_future();
    auto all = when_all(std::move(fa), b.get_future(), fc);
    EXPECT_FALSE(fa.valid());  // NOLINT(bugprone-use-after-move): its state is the test
    EXPECT_TRUE(fc.valid());
    b.set_value(target);
    c.set_exception(std::make_exception_ptr(std::string("thrown")));
    EXPECT_FALSE(is_ready(all));
    a.set_value(1);
    ASSERT_TRUE(is_ready(all));
    auto [ra, rb, rc] = all.get();
    EXPECT_EQ(ra.get(), 1);
    EXPECT_EQ(&rb.get(), &target);
    EXPECT_THROW(rc.get(), std::string);
  });
}

TEST_P(when_test, any_tells_which_one_and_leaves_the_others) {
  run([] {
    promise<int> a;
    promise<void> b;
    promise<int> c;
    auto any = when_any(a.get_future(), b.get_future(), c.get_future());
    EXPECT_FALSE(is_ready(any));
    b.set_value();
    ASSERT_TRUE(is_ready(any));
    auto [index, futures] = any.get();
    EXPECT_EQ(index, 1u);
    std::get<1>(futures).get();
    EXPECT_FALSE(is_ready(std::get<0>(futures)));
    auto again = when_any(std::move(std::get<0>(futures)), std::move(std::get<2>(futures)));
    c.set_value(3);
    auto rest = again.get();
    EXPECT_EQ(rest.index, 1u);
    EXPECT_EQ(std::get<1>(rest.futures).get(), 3);
    a.set_value(1);
    EXPECT_EQ(std::get<0>(rest.futures).get(), 1);
  });
}

TEST_P(when_test, what_is_ready_already) {
  run([] {
    const auto ready = [](int n) {
      promise<int> p;
      p.set_value(n);
      return p.get_future();
    };
    promise<int> never;
    auto all = when_all(ready(1), ready(2));
    ASSERT_TRUE(is_ready(all));
    EXPECT_EQ(std::get<1>(all.get()).get(), 2);
    auto any = when_any(never.get_future(), ready(3), ready(4));
    ASSERT_TRUE(is_ready(any));
    auto result = any.get();
    EXPECT_EQ(result.index, 1u);
    EXPECT_EQ(std::get<2>(result.futures).get(), 4);
    EXPECT_FALSE(is_ready(std::get<0>(result.futures)));
    EXPECT_TRUE(is_ready(when_any(ready(5))));
  });
}

TEST_P(when_test, ranges) {
  run([] {
    std::vector<promise<std::unique_ptr<int>>> promises(5);
    std::deque<future<std::unique_ptr<int>>> futures;
    for (auto& p : promises) futures.push_back(p.get_future());
    auto all = when_all(futures.begin(), futures.end());
    for (const auto& f : futures) EXPECT_FALSE(f.valid());
    for (std::size_t i = 5; i-- > 0;) {
      EXPECT_FALSE(is_ready(all));
      promises[i].set_value(std::make_unique<int>(static_cast<int>(i)));
    }
    std::vector<future<std::unique_ptr<int>>> results = all.get();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(*results[static_cast<std::size_t>(i)].get(), i);

    std::vector<promise<int>> more(3);
    std::vector<shared_future<int>> shared;
    for (auto& p : more) shared.emplace_back(p.get_future());
    auto any = when_any(shared.cbegin(), shared.cend());
    EXPECT_TRUE(shared[0].valid()) << "copied";
    more[2].set_value(7);
    const auto result = any.get();
    EXPECT_EQ(result.index, 2u);
    EXPECT_EQ(result.futures[2].get(), 7);
  });
}

TEST_P(when_test, without_state_nothing_is_taken) {
  run([] {
    promise<int> p;
    future<int> good = p.get_future();
    const auto fails = [](auto&& f) {
      try {
        f();
      } catch (const std::future_error& e) {
        return e.code() == std::future_errc::no_state;
      }
      return false;
    };
    EXPECT_TRUE(fails([&] { static_cast<void>(when_all(std::move(good), future<int>())); }));
    EXPECT_TRUE(fails([&] { static_cast<void>(when_any(std::move(good), shared_future<int>())); }));
    std::array<future<int>, 2> range;
    range[0] = std::move(good);
    EXPECT_TRUE(fails([&] { static_cast<void>(when_all(range.begin(), range.end())); }));
    EXPECT_TRUE(fails([&] { static_cast<void>(when_any(range.begin(), range.end())); }));
    EXPECT_TRUE(range[0].valid());
  });
}

TEST_P(when_test, the_same_future_twice) {
  run([] {
    promise<int> p;
    const shared_future<int> f = p.get_future();
    auto all = when_all(f, f);
    auto any = when_any(f, f);
    p.set_value(1);
    EXPECT_TRUE(is_ready(all));
    EXPECT_LT(any.get().index, 2u);
  });
}

TEST_P(when_test, a_broken_promise_counts_as_ready) {
  run([] {
    auto p = std::make_unique<promise<int>>();
    auto all = when_all(p->get_future());
    p.reset();
    ASSERT_TRUE(is_ready(all));
    EXPECT_THROW(std::get<0>(all.get()).get(), std::future_error);
  });
}

TEST_P(when_test, nobody_need_wait_for_it) {
  run([] {
    promise<std::shared_ptr<int>> a;
    promise<std::shared_ptr<int>> b;
    const auto alive = std::make_shared<int>();
    static_cast<void>(when_all(a.get_future(), b.get_future()));
    a.set_value(alive);
    EXPECT_EQ(alive.use_count(), 2) << "kept until the others are ready";
    b.set_value(nullptr);
    a = {};
    EXPECT_EQ(alive.use_count(), 1);
  });
}

// A result that is never ready must not collect what once waited for it.
TEST_P(when_test, losers_of_an_any_are_forgotten) {
  run([] {
    promise<void> never;
    const shared_future<void> stop = never.get_future();
    std::weak_ptr<int> token;
    {
      promise<std::shared_ptr<int>> p;
      auto any = when_any(stop, p.get_future());
      auto value = std::make_shared<int>(1);
      token = value;
      p.set_value(std::move(value));
      EXPECT_EQ(any.get().index, 1u);
    }
    EXPECT_TRUE(token.expired());
    std::vector<promise<int>> others(scaled(20'000));
    for (auto& p : others) {
      auto any = when_any(p.get_future(), stop);
      p.set_value(1);
      ASSERT_EQ(any.get().index, 0u);
    }
    never.set_value();
  });
}

TEST_P(when_test, who_waits_is_woken_from_anywhere) {
  runtime other(opts());
  run([&] {
    promise<int> a;
    promise<int> b;
    promise<int> c;
    park_probe probe;
    fiber waiter = spawn([&, all = when_all(a.get_future(), b.get_future(), c.get_future())]() mutable {
      probe.here();
      auto [x, y, z] = all.get();
      EXPECT_EQ(x.get() + y.get() + z.get(), 6);
    });
    probe.await_parked();
    std::thread([&] { a.set_value(1); }).join();
    other.spawn([&] { b.set_value(2); }).join();
    EXPECT_TRUE(probe.parked());
    c.set_value(3);
    waiter.join();
  });
}

// Inputs become ready while they are being attached, from fibers of two runtimes and from a thread.
TEST_P(when_test, stress) {
  const std::uint64_t seed = test::seed();
  runtime other(opts());
  run([&] {
    detail::random_source random(seed);
    for (std::size_t round = 0; round < scaled(10'000); ++round) {
      const std::size_t width = 1 + random.below(6);
      std::vector<promise<std::size_t>> promises(width);
      std::vector<shared_future<std::size_t>> futures;
      for (auto& p : promises) futures.emplace_back(p.get_future());
      const auto set = [&](std::size_t part, std::uint64_t dice) {
        detail::random_source mine(dice);
        for (std::size_t i = part; i < width; i += 2) {
          test::stir(mine);
          promises[i].set_value(i);
        }
      };
      fiber here = spawn(set, 0u, seed + round);
      fiber there = other.spawn(set, 1u, seed + round + 1);
      auto all = when_all(futures.begin(), futures.end());
      auto any = when_any(futures.begin(), futures.end());
      auto nested = when_any(when_all(futures.begin(), futures.end()), when_any(futures.begin(), futures.end()));
      const auto won = any.get();
      ASSERT_LT(won.index, width);
      ASSERT_TRUE(is_ready(won.futures[won.index]));
      ASSERT_EQ(won.futures[won.index].get(), won.index);
      ASSERT_LT(nested.get().index, 2u);
      const auto results = all.get();
      for (std::size_t i = 0; i < width; ++i) {
        ASSERT_TRUE(is_ready(results[i]));
        ASSERT_EQ(results[i].get(), i);
      }
      here.join();
      there.join();
    }
  });
}

}  // namespace
}  // namespace sennit

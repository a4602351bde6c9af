// Children, exceptions, limits and misuse; scope_stop_test.cpp has the stops and deadlines.
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;
using test::until;

class scope_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(scope_test);

/// What join() throws, as text; empty: nothing.
std::string failure_of(scope& s) {
  try {
    s.join();
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

TEST_P(scope_test, join_waits_for_all_children_and_the_scope_can_be_used_again) {
  run([] {
    scope s;
    std::atomic<int> ended{0};
    for (int round = 1; round <= 3; ++round) {
      for (int i = 0; i < 10; ++i) {
        s.spawn(
            [&](int yields) {
              for (int k = 0; k < yields; ++k) this_fiber::yield();
              ++ended;
            },
            i);
      }
      s.join();
      EXPECT_EQ(ended, 10 * round);
    }
  });
}

TEST_P(scope_test, children_spawn_into_their_scope) {
  run([] {
    std::atomic<int> ended{0};
    scope s;
    struct tree {
      scope& s;
      std::atomic<int>& ended;
      void operator()(int depth) const {
        for (int i = 0; i < 2 && depth > 0; ++i) s.spawn(*this, depth - 1);
        ++ended;
      }
    };
    s.spawn(tree{s, ended}, 9);
    s.join();
    EXPECT_EQ(ended, 1023);
  });
}

TEST_P(scope_test, the_destructor_stops_and_joins) {
  run([] {
    std::atomic<int> ended{0};
    {
      scope s;
      for (int i = 0; i < 5; ++i) {
        s.spawn([&] {
          struct on_exit {
            std::atomic<int>& n;
            ~on_exit() { ++n; }
          } guard{ended};
          event never_set;
          never_set.wait();
        });
      }
    }
    EXPECT_EQ(ended, 5);
    EXPECT_FALSE(this_fiber::stop_requested());
  });
}

TEST_P(scope_test, the_first_exception_stops_the_siblings_and_the_owner_and_join_rethrows_it) {
  run([] {
    event never_set;
    std::atomic<int> canceled{0};
    park_probe sibling;
    scope s;
    s.spawn([&] {
      sibling.here();
      try {
        never_set.wait();
      } catch (const std::system_error& e) {
        canceled += e.code() == std::errc::operation_canceled;
        throw std::runtime_error("second");  // comes too late
      }
    });
    sibling.await_parked();
    s.spawn({.name = "culprit"}, [] { throw std::runtime_error("first"); });
    EXPECT_THROW(never_set.wait(), std::system_error);  // the owner's own wait
    EXPECT_TRUE(this_fiber::stop_requested());
    EXPECT_EQ(failure_of(s), "first");
    EXPECT_EQ(canceled, 1);
    EXPECT_FALSE(this_fiber::stop_requested());
    this_fiber::sleep_for(1us);  // parks as though nothing had been
    EXPECT_EQ(failure_of(s), "");
    s.spawn([&] { ++canceled; });
    s.join();
    EXPECT_EQ(canceled, 2);
  });
}

TEST_P(scope_test, log_touches_nobody_else) {
  testing::internal::CaptureStderr();
  run([] {
    std::atomic<int> ended{0};
    event go;
    scope s(on_exception::log);
    s.spawn([&] {
      go.wait();
      ++ended;
    });
    s.spawn({.name = "clumsy"}, [] { throw std::runtime_error("spilt milk"); });
    s.spawn({.name = "odd"}, [] { throw 42; });
    this_fiber::sleep_for(1ms);  // the owner's waits go on too
    EXPECT_EQ(ended, 0);
    go.set();
    s.join();
    EXPECT_EQ(ended, 1);
  });
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("fiber 'clumsy' failed: spilt milk"), std::string::npos) << text;
  EXPECT_NE(text.find("fiber 'odd' failed: not a std::exception"), std::string::npos) << text;
}

TEST_P(scope_test, cancellation_of_a_stopped_scope_is_no_error_but_elsewhere_it_is) {
  testing::internal::CaptureStderr();
  run([] {
    for (const on_exception policy : {on_exception::stop, on_exception::log}) {
      event never_set;
      scope s(policy);
      s.spawn([&] { never_set.wait(); });
      s.request_stop();
      EXPECT_EQ(failure_of(s), "");
    }
    scope s;
    s.spawn([] { throw std::system_error(std::make_error_code(std::errc::operation_canceled), "of its own"); });
    EXPECT_NE(failure_of(s).find("of its own"), std::string::npos);
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// Nothing of a child is left when join() returns: not the closure, not an exception that came second.
TEST_P(scope_test, what_children_hold_is_gone_when_join_returns) {
  struct failure {
    std::shared_ptr<int> held;
  };
  run([] {
    for (std::size_t i = 0; i < scaled(10'000); ++i) {
      auto held = std::make_shared<int>(1);
      const std::weak_ptr<int> watch = held;
      event go;
      scope s;
      for (int k = 0; k < 3; ++k) {
        s.spawn([held, &go] {
          go.wait();
          throw failure{held};
        });
      }
      held.reset();
      go.set();
      EXPECT_THROW(s.join(), failure);
      ASSERT_TRUE(watch.expired());
    }
  });
}

TEST_P(scope_test, an_exception_that_leaves_the_owner_stops_the_children) {
  run([] {
    bool child_ended = false;
    try {
      scope s;
      s.spawn([&] {
        event never_set;
        try {
          never_set.wait();
        } catch (const std::system_error&) {
          child_ended = true;
          throw;
        }
      });
      throw std::runtime_error("the owner's");
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "the owner's");
    }
    EXPECT_TRUE(child_ended);
  });
}

TEST_P(scope_test, a_childs_exception_is_dropped_with_a_warning_while_another_one_is_thrown) {
  testing::internal::CaptureStderr();
  run([] {
    EXPECT_THROW(
        {
          scope s;
          s.spawn({.name = "unheard"}, [] { throw std::runtime_error("the root cause"); });
          event never_set;
          never_set.wait();
        },
        std::system_error);
  });
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("fiber 'unheard' failed, and nobody fetched it by join(): the root cause"), std::string::npos)
      << text;
}

// Hazard 27: the owner leaves as soon as the last child has said so.
TEST_P(scope_test, destroyed_at_once_after_join) {
  options migrating = opts();
  migrating.force_migrate = true;  // the owner resumes on another worker than the child ends on
  sennit::run(migrating, [] {
    const auto finished = [] { return runtime::current()->stats().finished; };
    for (std::size_t i = 0; i < scaled(50'000); ++i) {
      const std::uint64_t before = finished();
      haunted<scope> s(on_exception::stop);
      s->spawn([] {});
      s->join();
      s.destroy();
      until([&] { return finished() != before; });  // counted after the child has left the scope for good
      ASSERT_TRUE(s.intact()) << "round " << i;
    }
  });
}

// A finished child leaves nothing behind: a long-lived scope needs no more control blocks than what runs at once.
TEST_P(scope_test, does_not_grow) {
  run([] {
    std::mutex guard;
    std::set<const void*> blocks;
    scope s(scope::options{.max_running = 8});
    const std::size_t count = scaled(1'000'000);
    std::atomic<std::size_t> ended{0};
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&] {
        const std::lock_guard lock(guard);
        blocks.insert(detail::current_fiber());
        ++ended;
      });
    }
    s.join();
    EXPECT_EQ(ended, count);
    EXPECT_LE(blocks.size(), 64u * 5);  // what four workers and the slab keep in their caches
  });
}

TEST_P(scope_test, max_running_bounds_what_runs_at_once) {
  run([] {
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    std::atomic<std::size_t> ended{0};
    const std::size_t each = scaled(50'000);
    scope s(scope::options{.max_running = 5});
    const auto work = [&] {
      const int now = ++running;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
      this_fiber::yield();
      --running;
      ++ended;
    };
    // Two children that spawn into their own scope, and the owner: each waits for room.
    for (int i = 0; i < 2; ++i) {
      s.spawn([&] {
        for (std::size_t k = 0; k < each; ++k) s.spawn(work);
      });
    }
    for (std::size_t k = 0; k < each; ++k) s.spawn(work);
    s.join();
    EXPECT_EQ(ended, 3 * each);
    EXPECT_LE(most, 5);
    EXPECT_GT(most, 1);
  });
}

TEST_P(scope_test, a_spawn_that_waits_for_room_is_a_cancellation_point) {
  run([] {
    event never_set;
    park_probe spawner;
    std::atomic<bool> canceled{false};
    scope outer;
    outer.spawn([&] {
      scope full(scope::options{.max_running = 1});
      full.spawn([&] { never_set.wait(); });
      spawner.here();
      try {
        full.spawn([] { ADD_FAILURE(); });
      } catch (const std::system_error& e) {
        canceled = e.code() == std::errc::operation_canceled;
      }
    });
    spawner.await_parked();
    outer.request_stop();
    outer.join();
    EXPECT_TRUE(canceled);
  });
}

TEST(scope_death_test, an_exception_that_nobody_fetched) {
  EXPECT_DEATH(run([] {
                 scope s;
                 park_probe probe;
                 s.spawn({.name = "culprit"}, [&] {
                   probe.here();
                   throw std::runtime_error("lost");
                 });
                 until([] { return this_fiber::stop_requested(); });
               }),
               "fiber 'culprit' failed, and nobody fetched it by join\\(\\): lost");
}

TEST(scope_death_test, misuse) {
  EXPECT_DEATH(scope(), "only a fiber can own a scope");
  EXPECT_DEATH(run([] {
                 scope s;
                 s.spawn([&] { s.join(); });
                 s.join();
               }),
               "only the fiber that made a scope may join it");
  EXPECT_DEATH(run([] {
                 auto outer = std::make_unique<scope>();
                 auto inner = std::make_unique<scope>();
                 outer.reset();
               }),
               "the innermost first");
}

TEST_P(scope_test, results_are_collected) {
  run([] {
    scope s;
    std::vector<child<int>> squares;
    for (int i = 0; i < 10; ++i) squares.push_back(s.spawn([i] { return i * i; }));
    child<std::unique_ptr<int>> move_only = s.spawn([](int v) { return std::make_unique<int>(v); }, 7);
    int x = 0;
    child<int&> reference = s.spawn([&]() -> int& { return x; });
    child<std::string> stoppable =
        s.spawn([](const stop_token& t) { return std::string(t.stop_possible() ? "yes" : "no"); });
    child<void> nothing = s.spawn([&] { x = 1; });
    nothing.wait();
    EXPECT_EQ(x, 1);
    nothing.get();
    EXPECT_FALSE(nothing.valid());
    EXPECT_THROW(nothing.get(), std::future_error);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(squares[static_cast<std::size_t>(i)].get(), i * i);
    EXPECT_EQ(*move_only.get(), 7);
    EXPECT_EQ(&reference.get(), &x);
    EXPECT_EQ(stoppable.get(), "yes");
    EXPECT_EQ(select(on_ready(s.spawn([] { return 3; }).release(), [] {})), 0u);
    s.join();
  });
}

TEST_P(scope_test, the_handle_of_a_child_that_failed_rethrows) {
  run([] {
    child<int> value;
    child<void> nothing;
    scope s;
    value = s.spawn([]() -> int { throw std::runtime_error("first"); });
    EXPECT_THROW(value.get(), std::runtime_error);
    EXPECT_THROW(s.join(), std::runtime_error) << "the scope has it too";
    nothing = s.spawn([] { throw std::logic_error("second"); });
    nothing.wait();
    EXPECT_THROW(nothing.get(), std::logic_error);
    EXPECT_THROW(s.join(), std::logic_error);
  });
}

TEST_P(scope_test, a_handle_outlives_its_scope) {
  run([] {
    child<int> value;
    child<void> nothing;
    child<void> stopped;
    {
      scope s;
      value = s.spawn([] { return 1; });
      nothing = s.spawn([] {});
      s.join();
      stopped = s.spawn([] { this_fiber::sleep_for(1h); });
      s.request_stop();
      s.join();
    }
    EXPECT_EQ(value.get(), 1);
    nothing.get();
    try {
      stopped.get();
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::operation_canceled);
    }
  });
}

// The child has told its scope, which is gone by then, and is not marked as ended yet.
TEST_P(scope_test, a_handle_meets_a_child_that_is_just_ending) {
  run([] {
    for (std::size_t i = 0; i < scaled(100'000); ++i) {
      child<int> value;
      {
        scope s;
        value = s.spawn([] { return 1; });
        s.join();
      }
      ASSERT_EQ(value.get(), 1);
    }
  });
}

TEST_P(scope_test, waiting_for_a_child_can_be_stopped) {
  run([] {
    event end;
    park_probe probe;
    std::error_code code;
    scope outer;
    child<void> c = outer.spawn([&] { end.wait(); });
    scope inner(on_exception::log);
    inner.spawn([&] {  // not the owner: its own stop ends the wait
      probe.here();
      try {
        c.wait();
      } catch (const std::system_error& e) {
        code = e.code();
      }
    });
    probe.await_parked();
    inner.request_stop();
    inner.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
    end.set();
    c.get();
  });
  run([] {
    event end;
    scope s;
    child<void> c = s.spawn([&] { end.wait(); });
    stop_source source;
    source.request_stop();
    EXPECT_THROW(c.get(source.get_token()), std::system_error);
    EXPECT_TRUE(c.valid());
    end.set();
    c.get();
    s.join();
  });
}

// errgroup's users expect the first error, wherever the owner meets it.
TEST_P(scope_test, a_spawn_after_a_child_has_failed_rethrows_its_exception) {
  run([] {
    for (const std::size_t max_running : {std::size_t{0}, std::size_t{1}}) {
      scope s(scope::options{.max_running = max_running});
      EXPECT_THROW(
          {
            s.spawn([] { throw std::runtime_error("first"); });
            for (;;) {
              s.spawn([] { this_fiber::yield(); });
              this_fiber::yield();
            }
          },
          std::runtime_error);
      s.join();  // it was fetched
    }
  });
}

}  // namespace
}  // namespace sennit

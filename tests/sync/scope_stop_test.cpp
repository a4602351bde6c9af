// What reaches whom: stops, deadlines, shields and shutdown.
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/condition_variable.hpp>
#include <sennit/event.hpp>
#include <sennit/scope.hpp>
#include <sennit/wait_group.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using test::code_of;
using test::park_probe;
using test::scaled;
using test::until;

class scope_stop_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(scope_stop_test);

TEST_P(scope_stop_test, reaches_every_kind_of_wait) {
  run([] {
    channel<int> empty;
    channel<int> full;
    event never_set;
    wait_group group;
    group.add();
    mutex m;
    condition_variable cv;
    fiber stubborn = spawn([&] { never_set.wait(); });
    const std::vector<std::function<void()>> waits = {[] { this_fiber::sleep_for(std::chrono::hours(1)); },
                                                      [&] { static_cast<void>(empty.receive()); },
                                                      [&] { full.send(1); },
                                                      [&] { never_set.wait(); },
                                                      [&] { never_set.wait_for(std::chrono::hours(1)); },
                                                      [&] { group.wait(); },
                                                      [&] {
                                                        std::unique_lock lock(m);
                                                        cv.wait(lock);
                                                      },
                                                      [&] { stubborn.join(); },
                                                      [] {
                                                        for (;;) this_fiber::maybe_yield();
                                                      }};
    for (const bool already_parked : {true, false}) {
      for (const auto& wait : waits) {
        park_probe probe;
        std::error_code code;
        scope s;
        s.spawn([&] {
          probe.here();
          code = code_of(wait);
        });
        if (already_parked && &wait != &waits.back()) probe.await_parked();
        s.request_stop();
        s.join();
        EXPECT_EQ(code, std::errc::operation_canceled) << "wait " << &wait - waits.data();
      }
    }
    never_set.set();
    stubborn.join();
  });
}

TEST_P(scope_stop_test, reaches_grandchildren_through_their_scopes) {
  run([] {
    std::atomic<int> canceled{0};
    wait_group ready;
    event never_set;
    struct tree {
      std::atomic<int>& canceled;
      wait_group& ready;
      event& never_set;
      void operator()(int depth) const {
        scope s;
        if (depth > 0) {
          for (int i = 0; i < 3; ++i) s.spawn(*this, depth - 1);
          s.join();  // not interruptible: ends because the children do
          EXPECT_TRUE(this_fiber::stop_requested());
        } else {
          ready.done();
        }
        canceled += code_of([&] { never_set.wait(); }) == std::errc::operation_canceled;
      }
    };
    ready.add(81);
    scope s;
    s.spawn(tree{canceled, ready, never_set}, 4);
    ready.wait();
    s.request_stop();
    s.join();
    EXPECT_EQ(canceled, 1 + 3 + 9 + 27 + 81);
  });
}

// The walk down uses no stack: each of these levels is a fiber with a scope.
TEST_P(scope_stop_test, reaches_far_down) {
  run([] {
    const std::size_t depth = scaled(100'000);
    event bottom;
    struct chain {
      event& bottom;
      void operator()(std::size_t left) const {
        scope s;
        if (left > 0) {
          s.spawn(attributes{.stack_size = 32 * 1024}, *this, left - 1);
          s.join();
        } else {
          bottom.set();
          event never_set;
          never_set.wait();
        }
      }
    };
    scope s;
    s.spawn(chain{bottom}, depth);
    bottom.wait();
    s.request_stop();
    s.join();
  });
}

TEST_P(scope_stop_test, of_an_outer_scope_reaches_the_inner_ones_of_the_same_fiber) {
  run([] {
    event never_set;
    park_probe probe;
    std::error_code code;
    scope outer;
    scope inner;
    inner.spawn([&] {
      probe.here();
      code = code_of([&] { never_set.wait(); });
    });
    probe.await_parked();
    outer.spawn([&] { outer.request_stop(); });
    inner.join();  // would wait for ever if the stop did not come in
    EXPECT_EQ(code, std::errc::operation_canceled);
    // The outer scope is stopped still, and so is what is inside it.
    EXPECT_TRUE(this_fiber::stop_requested());
    EXPECT_EQ(code_of([&] { inner.spawn([] {}); }), std::errc::operation_canceled);
    EXPECT_EQ(code_of([&] { never_set.wait(); }), std::errc::operation_canceled);
    scope late;
    EXPECT_EQ(code_of([&] { late.spawn([] {}); }), std::errc::operation_canceled);
  });
}

TEST_P(scope_stop_test, of_an_inner_scope_leaves_the_outer_one_alone) {
  run([] {
    event go;
    std::atomic<bool> outer_child_ended{false};
    scope outer;
    outer.spawn([&] {
      go.wait();
      outer_child_ended = true;
    });
    {
      scope inner;
      inner.spawn([&] {
        event never_set;
        never_set.wait();
      });
      inner.request_stop();
      EXPECT_TRUE(this_fiber::stop_requested());
      inner.join();
      EXPECT_FALSE(this_fiber::stop_requested());
    }
    go.set();
    outer.join();
    EXPECT_TRUE(outer_child_ended);
  });
}

TEST_P(scope_stop_test, refuses_spawns_until_it_is_joined) {
  run([] {
    scope s;
    s.request_stop();
    EXPECT_EQ(code_of([&] { s.spawn([] { ADD_FAILURE(); }); }), std::errc::operation_canceled);
    s.join();
    bool ran = false;
    s.spawn([&] { ran = true; });
    s.join();
    EXPECT_TRUE(ran);
  });
}

TEST_P(scope_stop_test, may_come_from_a_plain_thread) {
  run([] {
    event never_set;
    std::error_code code;
    park_probe probe;
    scope s;
    s.spawn([&] {
      probe.here();
      code = code_of([&] { never_set.wait(); });
    });
    probe.await_parked();
    std::thread stopper([&] { s.request_stop(); });
    stopper.join();
    s.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
  });
}

TEST_P(scope_stop_test, a_shield_keeps_it_out_for_a_while) {
  run([] {
    event cleaned;
    park_probe probe;
    std::vector<std::error_code> codes(3);
    std::atomic<bool> helper_done{false};
    scope s;
    s.spawn([&] {
      {
        shield no_stop;
        scope helpers;  // opened inside the shield: its children are protected too
        helpers.spawn([&] {
          cleaned.wait();
          helper_done = true;
        });
        probe.here();
        codes[0] = code_of([&] { cleaned.wait(); });
        codes[1] = code_of([&] { helpers.join(); });
      }
      event never_set;
      codes[2] = code_of([&] { never_set.wait(); });
    });
    probe.await_parked();
    s.request_stop();
    EXPECT_TRUE(probe.parked());
    cleaned.set();
    s.join();
    EXPECT_EQ(codes[0], std::error_code());
    EXPECT_EQ(codes[1], std::error_code());
    EXPECT_EQ(codes[2], std::errc::operation_canceled);
    EXPECT_TRUE(helper_done);
  });
}

TEST_P(scope_stop_test, the_tightest_deadline_wins_and_the_outer_one_comes_back) {
  run([] {
    event never_set;
    const auto start = clock::now();
    const auto ended = [&] { return clock::now() - start; };
    {
      scope outer(start + 400ms);
      {
        scope inner(start + 20ms);
        EXPECT_EQ(code_of([&] { never_set.wait(); }), error::deadline_passed);  // the owner's own
        EXPECT_GE(ended(), 20ms);
        EXPECT_LT(ended(), 400ms);
        std::error_code child;
        inner.spawn([&] { child = code_of([&] { never_set.wait(); }); });
        inner.join();
        EXPECT_EQ(child, std::errc::timed_out);
      }
      {
        scope inner(start + std::chrono::hours(1));
        EXPECT_FALSE(never_set.wait_for(1ms));   // a wait's own deadline that is tighter is no error
        inner.spawn([&] { never_set.wait(); });  // ended by the deadline of the outer scope
        EXPECT_EQ(code_of([&] { inner.join(); }), error::deadline_passed);
        EXPECT_GE(ended(), 400ms);
      }
      shield none;
      EXPECT_FALSE(never_set.wait_for(1ms));
    }
    EXPECT_FALSE(never_set.wait_for(1ms));
  });
}

TEST_P(scope_stop_test, shutdown_is_no_error_of_the_scope) {
  std::error_code code;
  bool joined = false;
  park_probe probe;
  runtime rt(opts());
  fiber f = rt.spawn([&] {
    scope s;
    s.spawn([&] {
      probe.here();
      event never_set;
      code = code_of([&] { never_set.wait(); });
      throw std::system_error(code);
    });
    s.join();
    joined = true;
    EXPECT_TRUE(this_fiber::stop_requested());
  });
  probe.await_parked();
  EXPECT_TRUE(rt.shutdown(std::chrono::seconds(30)));
  f.join();
  EXPECT_EQ(code, std::errc::operation_canceled);
  EXPECT_TRUE(joined);
}

// Random trees of scopes in which everybody spawns, waits, fails and stops whom it can reach. Whatever happens, all
// end, and no fiber is left with a stop that nobody wants any more.
TEST_P(scope_stop_test, random_trees) {
  const std::uint64_t seed = test::seed();
  testing::internal::CaptureStderr();  // the log has a line for many of them
  run([&] {
    std::atomic<std::uint64_t> numbers{seed};
    std::atomic<int> alive{0};
    std::function<void(scope&, int)> node = [&](scope& parent, int depth) {
      struct count {
        std::atomic<int>& n;
        ~count() { --n; }
      } guard{alive};
      ++alive;
      detail::random_source random(numbers.fetch_add(0x9e3779b97f4a7c15));
      for (std::uint32_t scopes = random.below(3); scopes > 0; --scopes) {
        try {
          scope s(random.below(4) == 0 ? on_exception::log : on_exception::stop);
          for (std::uint32_t i = depth > 0 ? random.below(5) : 0; i > 0; --i) {
            s.spawn([&, depth] { node(s, depth - 1); });
            if (random.below(3) == 0) this_fiber::yield();
          }
          switch (random.below(6)) {
            case 0: s.request_stop(); break;
            case 1: parent.request_stop(); break;
            case 2: this_fiber::sleep_for(std::chrono::microseconds(random.below(50))); break;
            case 3: throw std::runtime_error("of the owner");
            default: break;
          }
          s.join();
        } catch (const std::system_error& e) {
          EXPECT_EQ(e.code(), std::errc::operation_canceled);
        } catch (const std::runtime_error&) {
          // a child's, by join(), or our own
        }
      }
      if (random.below(8) == 0) throw std::runtime_error("of a child");
    };
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      try {
        scope root;
        for (int k = 0; k < 2; ++k) root.spawn([&] { node(root, 4); });
        root.join();
      } catch (const std::exception&) {
        // a child failed, or had stopped the root before it was complete
      }
      ASSERT_EQ(alive, 0);
      ASSERT_FALSE(this_fiber::stop_requested());
    }
  });
  static_cast<void>(testing::internal::GetCapturedStderr());
}

}  // namespace
}  // namespace sennit

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/once.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using test::park_probe;
using test::scaled;

class once_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(once_test);

TEST_P(once_test, runs_one_call_and_the_others_wait_for_it) {
  run([] {
    static constinit once_flag constant_initialised;
    call_once(constant_initialised, [] {});
    once_flag flag;
    event go_on;
    int value = 0;
    park_probe first;
    park_probe second;
    fiber runs = spawn([&] {
      call_once(flag, [&] {
        first.here();
        go_on.wait();  // an initialiser may park
        value = 1;
      });
    });
    first.await_parked();
    fiber waits = spawn([&] {
      second.here();
      call_once(flag, [&] { value = 2; });
      EXPECT_EQ(value, 1);
    });
    second.await_parked();
    go_on.set();
    runs.join();
    waits.join();
    call_once(flag, [&](int v, std::unique_ptr<int>) { value = v; }, 3, nullptr);
    EXPECT_EQ(value, 1);
  });
}

TEST_P(once_test, after_an_exception_another_call_tries) {
  run([] {
    once_flag flag;
    EXPECT_THROW(call_once(flag, [] { throw std::runtime_error("no"); }), std::runtime_error);
    int value = 0;
    call_once(flag, [](int& v, int by) { v += by; }, value, 5);
    call_once(flag, [](int& v, int by) { v += by; }, value, 5);
    EXPECT_EQ(value, 5);
  });
}

// The values are plain: only call_once orders them. Every third initialiser fails first.
TEST_P(once_test, exactly_once_among_fibers_and_threads) {
  runtime other(opts());
  run([&] {
    const std::size_t rounds = scaled(5'000);
    for (std::size_t r = 0; r < rounds; ++r) {
      once_flag flag;
      int value = 0;
      std::atomic<int> failures{0};
      const auto body = [&] {
        for (;;) {
          try {
            call_once(flag, [&] {
              if (r % 3 == 0 && failures++ == 0) throw 1;
              if (r % 2 == 0) this_fiber::yield();
              ++value;
            });
            break;
          } catch (int) {}
        }
        ASSERT_EQ(value, 1);
      };
      scope all;
      for (int i = 0; i < 3; ++i) all.spawn(body);
      fiber elsewhere = other.spawn(body);
      if (r % 64 == 0) std::thread(body).join();
      elsewhere.join();
      all.join();
    }
  });
}

TEST_P(once_test, a_stop_does_not_end_the_wait) {
  run([] {
    once_flag flag;
    event go_on;
    park_probe inside;
    fiber runs = spawn([&] {
      call_once(flag, [&] {
        inside.here();
        go_on.wait();
      });
    });
    inside.await_parked();
    park_probe waiting;
    bool done = false;
    scope s(on_exception::log);
    s.spawn([&] {
      waiting.here();
      call_once(flag, [] {});
      done = true;
    });
    waiting.await_parked();
    s.request_stop();
    EXPECT_TRUE(waiting.parked());
    go_on.set();
    s.join();
    runs.join();
    EXPECT_TRUE(done);
  });
}

TEST(once_death_test, a_call_inside_of_itself_is_told) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(
      {
        once_flag flag;
        call_once(flag, [&] { call_once(flag, [] {}); });
      },
      "waits for itself");
}

}  // namespace
}  // namespace sennit

// async: a fiber with a result, here, in another runtime and at its end.
#include <future>
#include <memory>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/future.hpp>
#include <sennit/runtime.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::haunted;
using test::park_probe;
using test::scaled;

class async_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(async_test);

TEST_P(async_test, async_runs_a_fiber) {
  run([&] {
    EXPECT_EQ(sennit::async([] { return 6; }).get(), 6);
    sennit::async([] {}).get();
    EXPECT_THROW(sennit::async([]() -> int { throw std::string("thrown"); }).get(), std::string);
    int target = 0;
    EXPECT_EQ(&sennit::async([&]() -> int& { return target; }).get(), &target);
    // Decayed copies; std::ref for references; move-only ones are moved in.
    EXPECT_EQ(sennit::async([](std::string a, int& b) { return a + std::to_string(++b); }, "n", std::ref(target)).get(),
              "n1");
    EXPECT_EQ(*sennit::async([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(9)).get(), 9);
    EXPECT_EQ(sennit::async(&std::string::size, std::string("four")).get(), 4u);
    EXPECT_EQ(sennit::async({.name = "named"}, [] { return std::string(this_fiber::name()); }).get(), "named");
    EXPECT_NE(sennit::async([] { return this_fiber::get_id(); }).get(), this_fiber::get_id());
  });
}

TEST_P(async_test, async_in_another_runtime_and_from_a_thread) {
  runtime other(opts());
  EXPECT_EQ(other.async([] { return runtime::current(); }).get(), &other);
  EXPECT_EQ(other.async([](int n) { return n + 1; }, 1).get(), 2);
  EXPECT_EQ(other.async({.name = "named"}, [] { return std::string(this_fiber::name()); }).get(), "named");
  run([&] {
    EXPECT_EQ(other.async([] { return runtime::current(); }).get(), &other);
    EXPECT_EQ(sennit::async([] { return runtime::current(); }).get(), runtime::current());
  });
  EXPECT_EQ(code_of([] { static_cast<void>(sennit::async([] {})); }), std::errc::operation_not_permitted);
  other.shutdown(10s);
  EXPECT_EQ(code_of([&] { static_cast<void>(other.async([] {})); }), std::errc::operation_not_permitted);
}

TEST_P(async_test, the_future_of_async_does_not_wait_and_swallows) {
  run([] {
    event go_on;
    event ended;
    {
      const auto f = sennit::async([&] {
        go_on.wait();
        ended.set();
        throw std::string("nobody asks");
      });
    }
    EXPECT_FALSE(ended.is_set());
    go_on.set();
    ended.wait();
  });
}

TEST_P(async_test, arguments_die_with_the_fiber_not_with_the_future) {
  run([] {
    const auto alive = std::make_shared<int>(1);
    auto f = sennit::async([](const std::shared_ptr<int>& p) { return *p; }, alive);
    f.wait();
    test::until([&] { return alive.use_count() == 1; });
    EXPECT_EQ(f.get(), 1);
  });
}

// The last reference is dropped on the fiber, whose result may wait in its destructor.
TEST_P(async_test, a_result_that_nobody_wants_is_destroyed_on_a_fiber) {
  struct waits {
    explicit waits(event* e) : gone(e) {}
    waits(waits&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
    waits& operator=(waits&&) = delete;
    ~waits() {
      if (gone == nullptr) return;
      EXPECT_NE(this_fiber::get_id(), fiber::id());
      this_fiber::yield();
      gone->set();
    }
    event* gone;
  };
  run([] {
    event gone;
    static_cast<void>(sennit::async([&] { return waits(&gone); }));
    gone.wait();
  });
}

TEST(async_end_test, without_any_stack_the_future_tells) {
  runtime rt({.workers = 1, .max_stacks = 0});
  const auto alive = std::make_shared<int>();
  for (int i = 0; i < 10; ++i) {
    auto f = rt.async([alive] { FAIL() << "on what?"; });
    EXPECT_EQ(code_of([&] { f.get(); }), std::errc::not_enough_memory);
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(async_end_test, a_fiber_that_is_given_up_cancels_its_future) {
  event never;
  future<void> f;
  {
    runtime rt({.workers = 2, .stall_threshold = {}, .shutdown_timeout = 10ms});
    park_probe probe;
    f = rt.async([&] {
      const shield no_stop;
      probe.here();
      never.wait();
    });
    probe.await_parked();
    EXPECT_EQ(f.wait_for(0s), std::future_status::timeout);
  }
  EXPECT_EQ(code_of([&] { f.get(); }), std::errc::operation_canceled);
  never.set();
}

}  // namespace
}  // namespace sennit

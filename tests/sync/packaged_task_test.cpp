// packaged_task: std's rules one by one, then who meets whom.
#include <future>
#include <memory>

#include <sennit/fiber.hpp>
#include <sennit/packaged_task.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::haunted;
using test::park_probe;
using test::scaled;

class packaged_task_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(packaged_task_test);

static_assert(!std::is_copy_constructible_v<packaged_task<int()>>);
static_assert(
    std::is_same_v<decltype(packaged_task([](int, char) noexcept { return 1L; })), packaged_task<long(int, char)>>);
static_assert(std::is_same_v<decltype(packaged_task(std::declval<void (*)(int)>())), packaged_task<void(int)>>);

TEST_P(packaged_task_test, a_task_transports_what_its_function_returns_or_throws) {
  run([] {
    packaged_task<int(int, int)> sum([](int a, int b) { return a + b; });
    EXPECT_TRUE(sum.valid());
    future<int> f = sum.get_future();
    sum(1, 2);
    EXPECT_EQ(f.get(), 3);

    packaged_task<void()> throws([] { throw std::string("thrown"); });
    future<void> g = throws.get_future();
    throws();
    EXPECT_THROW(g.get(), std::string);

    int target = 0;
    packaged_task<int&(int&)> same([](int& x) -> int& { return x; });
    same(target);
    EXPECT_EQ(&same.get_future().get(), &target);

    packaged_task<std::unique_ptr<int>(std::unique_ptr<int>)> through(
        [own = std::make_unique<int>(4)](std::unique_ptr<int> p) {
          *p += *own;
          return p;
        });
    future<std::unique_ptr<int>> h = through.get_future();
    spawn(std::move(through), std::make_unique<int>(1)).join();
    EXPECT_EQ(*h.get(), 5);
  });
}

TEST_P(packaged_task_test, the_errors_of_a_task) {
  run([] {
    packaged_task<int()> empty;
    EXPECT_FALSE(empty.valid());
    EXPECT_EQ(code_of([&] { empty(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { empty.make_ready_at_fiber_exit(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { empty.reset(); }), std::future_errc::no_state);
    EXPECT_EQ(code_of([&] { static_cast<void>(empty.get_future()); }), std::future_errc::no_state);

    int calls = 0;
    packaged_task<int()> task([&] { return ++calls; });
    future<int> f = task.get_future();
    EXPECT_EQ(code_of([&] { static_cast<void>(task.get_future()); }), std::future_errc::future_already_retrieved);
    task();
    EXPECT_EQ(code_of([&] { task(); }), std::future_errc::promise_already_satisfied);
    EXPECT_EQ(code_of([&] { task.make_ready_at_fiber_exit(); }), std::future_errc::promise_already_satisfied);
    EXPECT_EQ(calls, 1) << "not even called";
    EXPECT_EQ(f.get(), 1);

    task.reset();
    f = task.get_future();
    task();
    EXPECT_EQ(f.get(), 2);
    task.reset();
    f = task.get_future();
    task.reset();
    EXPECT_EQ(code_of([&] { f.get(); }), std::future_errc::broken_promise);
    f = task.get_future();
    swap(task, empty);
    EXPECT_FALSE(task.valid());
    task = std::move(empty);
    EXPECT_FALSE(empty.valid());  // NOLINT(bugprone-use-after-move): its state is the test
    task();
    EXPECT_EQ(f.get(), 3);
    task.reset();
    f = task.get_future();
    task = {};
    EXPECT_EQ(code_of([&] { f.get(); }), std::future_errc::broken_promise);
  });
}

TEST_P(packaged_task_test, a_task_may_be_destroyed_by_who_gets_its_result) {
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(5'000); ++i) {
      haunted<packaged_task<int()>> task([] { return 5; });
      future<int> f = task->get_future();
      fiber caller = other.spawn([&] { (*task)(); });
      EXPECT_EQ(f.get(), 5);
      task.destroy();
      caller.join();
      ASSERT_TRUE(task.intact());
    }
  });
}

// ---- async ----

}  // namespace
}  // namespace sennit

// What happens when a fiber or a thread has ended: promises, tasks and condition variables that wait for it.
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sennit/condition_variable.hpp>
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/future.hpp>
#include <sennit/mutex.hpp>
#include <sennit/packaged_task.hpp>
#include <sennit/runtime.hpp>

#include "support/runtimes.hpp"

namespace sennit {
namespace {

using namespace std::chrono_literals;
using test::haunted;
using test::park_probe;
using test::scaled;

class at_fiber_exit_test : public test::runtimes {};
INSTANTIATE_RUNTIMES(at_fiber_exit_test);

/// Sets a flag in its destructor, after some switches.
class slow_local {
 public:
  explicit slow_local(std::atomic<bool>& gone) : gone_(&gone) {}
  slow_local(slow_local&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
  slow_local& operator=(slow_local&&) = delete;
  ~slow_local() {
    if (gone_ == nullptr) return;
    for (int i = 0; i < 3; ++i) this_fiber::yield();
    *gone_ = true;
  }

 private:
  std::atomic<bool>* gone_;
};

template <class T>
bool is_ready(const T& f) {
  return f.wait_for(0s) == std::future_status::ready;
}

TEST_P(at_fiber_exit_test, a_result_comes_when_locals_and_arguments_are_gone) {
  run([] {
    for (std::size_t i = 0; i < scaled(2'000); ++i) {
      promise<int> value;
      promise<void> error;
      packaged_task<int()> task([] { return 2; });
      future<int> f = value.get_future();
      future<void> g = error.get_future();
      future<int> h = task.get_future();
      std::atomic<bool> local_gone{false};
      std::atomic<bool> argument_gone{false};
      fiber setter = spawn(
          [&](const slow_local&) {
            const slow_local local(local_gone);
            value.set_value_at_fiber_exit(1);
            error.set_exception_at_fiber_exit(std::make_exception_ptr(std::string("thrown")));
            task.make_ready_at_fiber_exit();
            this_fiber::yield();
            EXPECT_FALSE(is_ready(f) || is_ready(g) || is_ready(h));
            EXPECT_THROW(value.set_value(2), std::future_error) << "satisfied, though not ready";
          },
          slow_local(argument_gone));
      EXPECT_EQ(f.get(), 1);
      ASSERT_TRUE(local_gone && argument_gone);
      EXPECT_THROW(g.get(), std::string);
      EXPECT_EQ(h.get(), 2);
      setter.join();
    }
  });
}

TEST_P(at_fiber_exit_test, a_promise_that_goes_before_is_not_broken) {
  run([] {
    future<std::string> f;
    spawn([&] {
      promise<std::string> p;
      f = p.get_future();
      p.set_value_at_fiber_exit("kept");
    }).join();
    ASSERT_TRUE(is_ready(f)) << "joined: its exit is over";
    EXPECT_EQ(f.get(), "kept");
  });
}

TEST_P(at_fiber_exit_test, exceptions_leave_a_fiber_as_well) {
  run([] {
    promise<int> p;
    future<int> f = p.get_future();
    fiber thrower = spawn([&] {
      p.set_value_at_fiber_exit(1);
      throw 1;
    });
    EXPECT_EQ(f.get(), 1);
    EXPECT_THROW(thrower.join(), int);
  });
}

TEST_P(at_fiber_exit_test, the_last_registered_comes_first_and_each_once) {
  run([] {
    struct entry : detail::exit_node {
      std::vector<int>* order = nullptr;
      int number = 0;
      entry* more = nullptr;
    };
    std::vector<int> order;
    std::vector<entry> entries(5);
    for (int i = 0; i < 5; ++i) {
      entry& e = entries[static_cast<std::size_t>(i)];
      e.order = &order;
      e.number = i;
      e.run = [](detail::exit_node& self) noexcept {
        auto& me = static_cast<entry&>(self);
        this_fiber::yield();  // it is still a fiber
        me.order->push_back(me.number);
        if (me.more != nullptr) detail::run_at_exit(*me.more);
      };
    }
    entries[2].more = &entries[4];
    for (int round = 0; round < 2; ++round) {
      order.clear();
      spawn([&] {
        for (int i = 0; i < 4; ++i) detail::run_at_exit(entries[static_cast<std::size_t>(i)]);
      }).join();
      EXPECT_EQ(order, (std::vector{3, 2, 4, 1, 0}));
      order.clear();
      std::thread([&] {
        for (int i = 0; i < 4; ++i) detail::run_at_exit(entries[static_cast<std::size_t>(i)]);
      }).join();
      EXPECT_EQ(order, (std::vector{3, 2, 4, 1, 0}));
    }
  });
}

TEST_P(at_fiber_exit_test, on_a_plain_thread) {
  promise<int> p;
  future<int> f = p.get_future();
  event set;
  event go_on;
  std::thread thread([&] {
    p.set_value_at_fiber_exit(1);
    set.set();
    go_on.wait();
  });
  run([&] {
    set.wait();
    EXPECT_FALSE(is_ready(f));
    go_on.set();
    EXPECT_EQ(f.get(), 1);
  });
  thread.join();
}

// The destructor of a thread_local that is older than the thread's list: the list has been run, nothing may be lost.
TEST(at_thread_exit_test, after_the_list_was_run) {
  struct late {
    promise<int>* p = nullptr;
    ~late() {
      if (p != nullptr) p->set_value_at_fiber_exit(1);
    }
  };
  promise<int> p;
  future<int> f = p.get_future();
  std::thread([&] {
    static thread_local late older;
    older.p = &p;
    promise<void>().set_value_at_fiber_exit();
  }).join();
  ASSERT_TRUE(is_ready(f));
  EXPECT_EQ(f.get(), 1);
}

TEST_P(at_fiber_exit_test, notify_all_comes_with_the_unlock) {
  run([] {
    mutex m;
    condition_variable cv;
    bool told = false;
    std::atomic<bool> local_gone{false};
    std::vector<park_probe> probes(3);
    std::vector<fiber> waiters;
    for (park_probe& probe : probes) {
      waiters.push_back(spawn([&] {
        std::unique_lock lock(m);
        probe.here();
        cv.wait(lock, [&] { return told; });
        EXPECT_TRUE(local_gone);
      }));
      probe.await_parked();
    }
    fiber notifier = spawn([&] {
      const slow_local local(local_gone);
      std::unique_lock lock(m);
      told = true;
      notify_all_at_fiber_exit(cv, std::move(lock));
      EXPECT_FALSE(lock.owns_lock());  // NOLINT(bugprone-use-after-move): its state is the test
      this_fiber::yield();
      spawn([&] { EXPECT_FALSE(m.try_lock()); }).join();
      for (const park_probe& probe : probes) EXPECT_TRUE(probe.parked());
    });
    for (fiber& w : waiters) w.join();
    notifier.join();
    const bool unlocked = m.try_lock();
    EXPECT_TRUE(unlocked);
    if (unlocked) m.unlock();
  });
}

// Hazard 27: who sees the predicate under the mutex may destroy both.
TEST_P(at_fiber_exit_test, who_was_notified_may_destroy_all_of_it) {
  struct rendezvous {
    mutex m;
    condition_variable cv;
    bool told = false;
  };
  runtime other(opts());
  run([&] {
    for (std::size_t i = 0; i < scaled(10'000); ++i) {
      haunted<rendezvous> r;
      auto body = [&] {
        std::unique_lock lock(r->m);
        r->told = true;
        notify_all_at_fiber_exit(r->cv, std::move(lock));
      };
      fiber notifier;
      std::thread thread;
      if (i % 8 == 0) {
        thread = std::thread(body);
      } else {
        notifier = other.spawn(body);
      }
      {
        std::unique_lock lock(r->m);
        r->cv.wait(lock, [&] { return r->told; });
      }
      r.destroy();
      if (thread.joinable()) thread.join();
      if (notifier.joinable()) notifier.join();
      ASSERT_TRUE(r.intact()) << "round " << i;
    }
  });
}

TEST(at_fiber_exit_death_test, notify_without_the_lock) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(
      {
        mutex m;
        condition_variable cv;
        notify_all_at_fiber_exit(cv, std::unique_lock(m, std::defer_lock));
      },
      "needs a locked unique_lock");
}

}  // namespace
}  // namespace sennit

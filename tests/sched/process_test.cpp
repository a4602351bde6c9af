// Hazards 7, 8, 16, 17 and 18: signals, forks, backtraces and the end of the process.
#include <execinfo.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include "base/sanitizer.hpp"
#include "support/baton.hpp"
#include "support/child.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

std::atomic<int> signals_seen{0};
void count_signal(int) { ++signals_seen; }

// Hazard 17. SIGUSR1 goes to the program's own threads, SIGPROF also to the workers: it is the one asynchronous signal
// that they do not block.
TEST(process_test, a_storm_of_signals_disturbs_no_wait) {
  struct sigaction usr1{}, prof{}, old_usr1{}, old_prof{};
  usr1.sa_handler = prof.sa_handler = count_signal;  // no SA_RESTART
  ASSERT_EQ(::sigaction(SIGUSR1, &usr1, &old_usr1), 0);
  ASSERT_EQ(::sigaction(SIGPROF, &prof, &old_prof), 0);
  signals_seen = 0;
  {
    runtime rt({.workers = 2, .stall_threshold = {}});
    std::atomic<bool> stop{false};
    pthread_t targets[3] = {::pthread_self()};
    rt.run([&] {
      std::atomic<int> here{0};
      // Two fibers that hold one worker each.
      fiber a = spawn([&] {
        targets[1] = ::pthread_self();
        ++here;
        spin_until([&] { return here == 2; }, 20s);
      });
      fiber b = spawn([&] {
        targets[2] = ::pthread_self();
        ++here;
        spin_until([&] { return here == 2; }, 20s);
      });
      a.join();
      b.join();
    });
    ASSERT_FALSE(::pthread_equal(targets[1], targets[2]));
    std::thread storm([&] {
      while (!stop.load()) {
        ::pthread_kill(targets[0], SIGUSR1);
        for (const pthread_t t : targets) ::pthread_kill(t, SIGPROF);
        std::this_thread::yield();
      }
    });
    for (int i = 0; i < 50 || signals_seen < 50; ++i) {
      rt.run([] {
        const auto due = std::chrono::steady_clock::now() + 1ms;
        this_fiber::sleep_until(due);
        ASSERT_GE(std::chrono::steady_clock::now(), due);
      });
      baton b;
      const auto until = detail::clock_now() + 1'000'000;
      ASSERT_EQ(b.wait(until), detail::case_timeout) << "a plain thread's wait";
      ASSERT_GE(detail::clock_now(), until);
    }
    stop = true;
    storm.join();
  }
  ::sigaction(SIGUSR1, &old_usr1, nullptr);
  ::sigaction(SIGPROF, &old_prof, nullptr);
}

TEST(process_test, workers_leave_asynchronous_signals_to_others) {
  runtime rt({.workers = 2});
  rt.run([] {
    sigset_t mask;
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
    for (const int s : {SIGUSR1, SIGUSR2, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGPIPE})
      EXPECT_EQ(sigismember(&mask, s), 1);
    for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF}) EXPECT_EQ(sigismember(&mask, s), 0);
  });
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGUSR1), 0) << "the caller's own mask is as it was";
}

int expect_not_permitted(auto&& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.code() == std::errc::operation_not_permitted ? 0 : 2;
  }
  return 1;
}

// Hazard 16.
TEST(process_test, a_forked_child_gets_a_clear_error) {
  runtime rt({.workers = 2});
  std::optional<fiber> parked;
  baton b;
  parked.emplace(rt.spawn([&] { b.wait(); }));
  EXPECT_EQ(in_child([&] { return expect_not_permitted([&] { static_cast<void>(rt.spawn([] {})); }); }), 0);
  EXPECT_EQ(in_child([&] { return expect_not_permitted([&] { rt.run([] {}); }); }), 0);
  EXPECT_EQ(in_child([&] { return expect_not_permitted([&] { parked->join(); }); }), 0);
  EXPECT_EQ(in_child([&] {
              parked.reset();  // the destructor does not wait for what cannot come
              return rt.shutdown(1h) ? 0 : 1;
            }),
            0);
  b.post();
  parked->join();
  EXPECT_EQ(rt.run([] { return 5; }), 5) << "the parent is unharmed";
}

TEST(process_test, a_fork_inside_a_fiber_goes_on_as_a_plain_thread) {
  runtime rt({.workers = 2});
  rt.run([&] {
    EXPECT_EQ(in_child([&] {
                if (runtime::current() != nullptr || this_fiber::get_id() != fiber::id()) return 3;
                this_fiber::yield();
                this_fiber::sleep_for(1ms);
                return expect_not_permitted([] { static_cast<void>(spawn([] {})); });
              }),
              0);
    this_fiber::sleep_for(1ms);
  });
}

// Hazard 7.
struct trace {
  int frames = 0;
  static _Unwind_Reason_Code step(_Unwind_Context*, void* p) {
    return ++static_cast<trace*>(p)->frames > 200 ? _URC_END_OF_STACK : _URC_NO_REASON;
  }
};

TEST(process_test, a_backtrace_from_inside_a_fiber_ends) {
  sennit::run({.workers = 2}, [] {
    for (int i = 0; i < 10; ++i) {
      trace t;
      _Unwind_Backtrace(trace::step, &t);
      EXPECT_GT(t.frames, 2);
      EXPECT_LT(t.frames, 100) << "it does not end at the fiber's entry";
      void* addresses[200];
      const int n = ::backtrace(addresses, 200);
      EXPECT_GT(n, 2);
      EXPECT_LT(n, 100);
      this_fiber::yield();
    }
    call_with_stack(1 << 20, [] {
      trace t;
      _Unwind_Backtrace(trace::step, &t);
      EXPECT_LT(t.frames, 100);
    });
  });
}

class process_death_test : public ::testing::Test {
 protected:
  // The runtime starts inside the statement: a child of a fork has no workers.
  process_death_test() { GTEST_FLAG_SET(death_test_style, "fast"); }
};

#if !SENNIT_ASAN && !SENNIT_TSAN  // they report faults themselves
int recurse(int n) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(n);
  return n == 0 ? 0 : recurse(n + 1) + frame[0];
}

// Hazard 8.
TEST_F(process_death_test, an_overflow_names_its_fiber) {
  EXPECT_DEATH(
      {
        runtime rt({.workers = 2});
        rt.spawn({.name = "digger"}, [] { recurse(1); }).join();
      },
      "digger");
  EXPECT_DEATH(
      {
        runtime rt({.workers = 1});
        rt.spawn({.name = "deep-digger"}, [] { call_with_stack(1 << 20, [] { recurse(1); }); }).join();
      },
      "deep-digger");
}
#endif

// Hazard 18.
TEST_F(process_death_test, an_exception_in_a_detached_fiber_names_it) {
  EXPECT_DEATH(
      {
        runtime rt({.workers = 2});
        rt.run([] {
          go(attributes{.name = "orphan"}, [] { throw std::runtime_error("nobody cares"); });
          this_fiber::sleep_for(1h);
        });
      },
      "orphan");
}

TEST_F(process_death_test, an_exception_after_detach_names_the_fiber) {
  EXPECT_DEATH(
      {
        runtime rt({.workers = 2});
        rt.run([] {
          baton b;
          fiber f(attributes{.name = "set-free"}, [&] {
            b.wait();
            throw 1;
          });
          f.detach();
          b.post();
          this_fiber::sleep_for(1h);
        });
      },
      "set-free");
}

TEST_F(process_death_test, detaching_a_fiber_that_has_failed_names_it) {
  EXPECT_DEATH(
      {
        runtime rt({.workers = 2});
        fiber f = rt.spawn({.name = "failed-before"}, [] { throw 1; });
        while (rt.stats().finished == 0) std::this_thread::yield();
        f.detach();
      },
      "failed-before");
}

// Detach and the exception at once: whichever comes first, it ends the process; never is it lost.
TEST_F(process_death_test, a_detach_beside_the_exception_loses_nothing) {
  const std::uint64_t s = seed();
  for (std::size_t i = 0; i < std::min<std::size_t>(scaled(1'000), 100); ++i) {
    EXPECT_DEATH(
        {
          detail::random_source random(s + i);
          runtime rt({.workers = 2});
          std::atomic<bool> go{false};
          fiber f = rt.spawn({.name = "racer"}, [&, n = random.below(2000)] {
            go = true;
            for (unsigned k = n; k > 0; --k) detail::cpu_pause();
            throw 1;
          });
          spin_until([&] { return go.load(); }, 20s);
          for (unsigned k = random.below(2000); k > 0; --k) detail::cpu_pause();
          f.detach();
          rt.run([] { this_fiber::sleep_for(200ms); });
          std::_Exit(0);
        },
        "racer");
  }
}

TEST_F(process_death_test, a_destroyed_handle_with_an_unfetched_exception_names_the_fiber) {
  EXPECT_DEATH(
      {
        runtime rt({.workers = 1});
        rt.run([] { const fiber f(attributes{.name = "unheard"}, [] { throw std::runtime_error("listen"); }); });
      },
      "unheard");
}

TEST_F(process_death_test, a_fiber_that_forks_must_not_return_in_the_child) {
  EXPECT_DEATH(
      {
        runtime rt({.workers = 1});
        rt.run([] {
          const pid_t pid = ::fork();
          if (pid == 0) return;
          int status = 0;
          ::waitpid(pid, &status, 0);
          if (WIFSIGNALED(status)) ::raise(WTERMSIG(status));
        });
        std::_Exit(0);
      },
      "_exit");
}

TEST_F(process_death_test, misuse_says_what_to_do_instead) {
  EXPECT_DEATH(sennit::run([] { runtime::current()->run([] {}); }), "call f, or spawn and join");
  EXPECT_DEATH(sennit::run([] { runtime::current()->shutdown(1s); }), "from a plain thread");
}

}  // namespace
}  // namespace sennit::test

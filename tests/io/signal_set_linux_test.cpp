// Of signal_set_test.cpp: real-time signals, what comes with a signal, and sets that share one.
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include <sennit/sennit.hpp>
#include <sennit/signal_set.hpp>

#include "io/signals.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

class signal_set_linux_test : public with_signals_blocked {
 protected:
  signal_set_linux_test() : with_signals_blocked({SIGRTMIN}) {}
};
INSTANTIATE_RUNTIMES(signal_set_linux_test);

TEST_P(signal_set_linux_test, tells_who_sent_it) {
  run([] {
    signal_set signals{SIGUSR1, SIGUSR2};
    park_probe probe;
    signal_info got;
    fiber waiter([&] {
      probe.here();
      got = signals.wait();
    });
    probe.await_parked();
    ::kill(::getpid(), SIGUSR2);
    waiter.join();
    EXPECT_EQ(got.number, SIGUSR2);
    EXPECT_EQ(got.sender, ::getpid());
    EXPECT_EQ(got.user, ::getuid());
  });
}

TEST_P(signal_set_linux_test, queued_ones_keep_order_and_value) {
  run([] {
    signal_set signals{SIGRTMIN};
    for (int i = 0; i < 50; ++i) ASSERT_EQ(::sigqueue(::getpid(), SIGRTMIN, {.sival_int = i}), 0);
    for (int i = 0; i < 50; ++i) {
      const signal_info s = signals.wait();
      EXPECT_EQ(s.number, SIGRTMIN);
      EXPECT_EQ(s.value, i);
    }
  });
}

TEST_P(signal_set_linux_test, one_of_the_sets_that_share_a_signal_gets_it) {
  run([] {
    signal_set a{SIGUSR1};
    signal_set c{SIGUSR1};
    std::atomic<int> seen{0};
    scope s(on_exception::log);
    for (signal_set* set : {&a, &c}) {
      s.spawn([&seen, set] {
        for (;;) {
          if (set->wait().number == SIGUSR1) ++seen;
        }
      });
    }
    for (int i = 1; i <= 20; ++i) {
      ::kill(::getpid(), SIGUSR1);
      until([&] { return seen == i; });  // each goes to one of them
    }
    s.request_stop();
    s.join();
    EXPECT_EQ(seen, 20);
  });
}

TEST_P(signal_set_linux_test, threads_that_block_nothing) {
  unblocked_threads threads;
  run([&] {
    signal_set signals{SIGTERM, SIGRTMIN};
    for (int i = 0; i < 5; ++i) {
      ::kill(::getpid(), SIGTERM);
      const signal_info s = signals.wait();
      EXPECT_EQ(s.number, SIGTERM);
      EXPECT_EQ(s.sender, ::getpid());
    }
    // Not for the process, but for a thread that does not block it: passed on as well.
    ASSERT_EQ(::pthread_sigqueue(threads.first(), SIGRTMIN, {.sival_int = 7}), 0);
    const signal_info s = signals.wait();
    EXPECT_EQ(s.number, SIGRTMIN);
    EXPECT_EQ(s.value, 7);
  });
}

}  // namespace
}  // namespace sennit::test

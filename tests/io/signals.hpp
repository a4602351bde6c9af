#pragma once
// Threads that block a test's signals, and threads that do not.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <initializer_list>
#include <thread>
#include <vector>

#include "support/runtimes.hpp"

namespace sennit::test {

/// The test's own thread, which waits for the runtime, blocks the signals: TSan would keep one that came to it until it
/// calls something that TSan knows.
class with_signals_blocked : public runtimes {
 protected:
  explicit with_signals_blocked(std::initializer_list<int> more = {}) {
    sigset_t set;
    sigemptyset(&set);
    for (const int s : {SIGUSR1, SIGUSR2, SIGTERM}) sigaddset(&set, s);
    for (const int s : more) sigaddset(&set, s);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~with_signals_blocked() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// Four threads that were there before a set and block nothing: SIGTERM would end the process. They end with this.
class unblocked_threads {
 public:
  unblocked_threads() {
    for (int i = 0; i < 4; ++i) {
      threads_.emplace_back([this] {
        sigset_t none;
        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, nullptr);
        ++ready_;
        while (!over_) ::usleep(200);
      });
    }
    while (ready_ != 4) std::this_thread::yield();
  }
  ~unblocked_threads() {
    over_ = true;
    for (std::thread& t : threads_) t.join();
  }
  unblocked_threads(const unblocked_threads&) = delete;
  unblocked_threads& operator=(const unblocked_threads&) = delete;

  [[nodiscard]] pthread_t first() { return threads_[0].native_handle(); }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> ready_{0};
  std::vector<std::thread> threads_;
};

}  // namespace sennit::test

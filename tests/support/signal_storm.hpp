#pragma once
// A signal that interrupts whatever waits, again and again, in every thread of the process.
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "support/process_counts.hpp"

namespace sennit::test {

/// SIGPROF, the one asynchronous signal that workers do not block, without SA_RESTART: a timer of its own for each
/// thread that there is, helpers that come and go included. One at a time.
class signal_storm {
 public:
  signal_storm() {
    struct sigaction mine{};
    mine.sa_handler = [](int) { seen.fetch_add(1, std::memory_order_relaxed); };
    ::sigaction(SIGPROF, &mine, &before_);
    thread_ = std::thread([this] { rage(); });
  }
  ~signal_storm() {
    ended_ = true;
    thread_.join();
    ::signal(SIGPROF, SIG_IGN);  // what is on its way to a thread that gets no CPU
    ::sigaction(SIGPROF, &before_, nullptr);
  }
  signal_storm(const signal_storm&) = delete;
  signal_storm& operator=(const signal_storm&) = delete;

  /// How many signals were handled, in all storms.
  [[nodiscard]] static std::size_t count() noexcept { return seen; }

 private:
  void rage() const {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    signal_others(SIGPROF, [this] {
      std::this_thread::sleep_for(std::chrono::microseconds(50));  // the pace of the storm: others shall get on, too
      return !ended_;
    });
  }

  static inline std::atomic<std::size_t> seen{0};
  struct sigaction before_{};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace sennit::test

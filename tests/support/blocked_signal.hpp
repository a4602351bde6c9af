#pragma once
// A signal that no thread of a test program takes from a signal_set.
#include <csignal>

#include "base/sanitizer.hpp"

namespace sennit::test {

/// Blocks a signal. Made before main(), on the thread that all others inherit from: a thread that does not block it has
/// to pass it on, and under ThreadSanitizer a thread that waits in a bare system call does not come to its handlers.
struct blocked_signal {
  explicit blocked_signal(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  }
};

}  // namespace sennit::test

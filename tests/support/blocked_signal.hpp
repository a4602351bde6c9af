#pragma once
// A signal that no thread of a test program takes from a signal_set.
#include <csignal>

namespace sennit::test {

/// Blocks and ignores a signal. Made before main(), on the thread that all others inherit from: a thread that does not
/// block it would have to pass it on, and under ThreadSanitizer a thread that waits in a bare system call does not come
/// to its handlers. Ignored: one that is still under way when its set ends is nobody's.
struct blocked_signal {
  explicit blocked_signal(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(signal, SIG_IGN);
  }
};

}  // namespace sennit::test

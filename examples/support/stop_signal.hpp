#pragma once
// SIGINT and SIGTERM as something that a fiber waits for, like everything else; there is no handler, and so nothing
// that could only be done "async-signal-safely".
#include <string_view>

#include <sennit/signal_set.hpp>

namespace example {

/// Make it first thing in main(): it blocks both signals in the calling thread, and threads that start later inherit
/// that. Until somebody waits, a signal that comes is kept. One per process.
class stop_signal {
 public:
  stop_signal();

  /// Parks until one of the signals comes and returns its name.
  std::string_view wait();

 private:
  sennit::signal_set signals_;
};

}  // namespace example

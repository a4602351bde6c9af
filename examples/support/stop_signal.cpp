#include "support/stop_signal.hpp"

#include <csignal>

namespace example {

stop_signal::stop_signal() : signals_{SIGINT, SIGTERM} {}

std::string_view stop_signal::wait() { return signals_.wait().number == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace example

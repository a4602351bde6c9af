#pragma once
// What the library says of itself: warnings and errors on stderr, unless it is told otherwise.
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {

enum class log_level : std::uint8_t {
  debug,  ///< what the scheduler does that is rare: a stuck worker's poller is taken over
  info,   ///< a runtime begins, ends
  warn,   ///< what the program should not do: a fiber does not switch, fibers wait for each other
  error,  ///< what the program loses: an exception that nobody catches
  off,    ///< of no message: nothing is said
};

struct log_message {
  log_level level;
  std::string_view text;    ///< several lines where it is a list
  std::string_view origin;  ///< "name#id/worker" of the fiber, "-/worker" of one that runs none, "-" of other threads
};

/// Called by whoever has something to say, a worker or the monitor among them: it may take locks, which are held for
/// as long as others let it, but must not wait as a fiber does, nor use the runtime. What it throws is dropped.
using logger = std::function<void(const log_message&)>;

/// Takes the messages from now on; empty: spdlog writes them to stderr again. One that was set before may be in a call
/// for a moment yet. Any thread or fiber. Throws std::bad_alloc.
SENNIT_API void set_logger(logger use);

/// Messages below are dropped before they are made. log_level::warn without a call. Any thread or fiber.
SENNIT_API void set_log_level(log_level least) noexcept;

/// A warning or an error as it was told.
struct kept_message {
  std::chrono::system_clock::time_point at;
  log_level level = log_level::warn;
  std::string text;
  std::string origin;
};

/// The latest 64 warnings and errors of this process, oldest first, whoever got them. Any thread or fiber. Throws
/// std::bad_alloc.
[[nodiscard]] SENNIT_API std::vector<kept_message> recent_messages();

}  // namespace sennit::inline v0

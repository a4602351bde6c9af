#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdarg>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"

namespace sennit::inline v0 {
namespace detail {
namespace {

constinit atomic<log_context_fn> context_fn{nullptr};
constinit atomic<log_level> least_level{log_level::warn};

/// What the user has set. Never destroyed: a fiber may log while static destructors run.
struct chosen_logger {
  spin_lock lock;
  std::shared_ptr<const logger> use SENNIT_GUARDED_BY(lock);

  static chosen_logger& of_process() {
    static auto* const it = new chosen_logger;
    return *it;
  }
  std::shared_ptr<const logger> get() {
    const spin_guard guard(lock);
    return use;
  }
};

/// Never destroyed, as above.
struct latest_messages {
  static constexpr std::size_t most = 64;

  std::mutex lock;
  std::deque<kept_message> all;

  static latest_messages& of_process() {
    static auto* const it = new latest_messages;
    return *it;
  }
  void add(const log_message& m) {
    kept_message one{.at = std::chrono::system_clock::now(),
                     .level = m.level,
                     .text = std::string(m.text),
                     .origin = std::string(m.origin)};
    const std::lock_guard guard(lock);
    all.push_back(std::move(one));
    if (all.size() > most) all.pop_front();
  }
};

constexpr spdlog::level::level_enum to_spdlog(log_level level) {
  switch (level) {
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warn: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
    case log_level::off: return spdlog::level::off;
  }
  return spdlog::level::err;
}

void write_to_stderr(const log_message& m) {
  static auto* const out = [] {  // never destroyed, as above
    auto* made = new spdlog::logger("sennit", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e [%n] [%l] %v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
  out->log(to_spdlog(m.level), "[{}] {}", m.origin, m.text);
}

}  // namespace

void log(log_level level, const char* format, ...) noexcept {
  if (level < least_level.load(relaxed)) return;  // mm:log-level
  char text[2048];
  std::va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  char origin[96] = "-";
  if (auto* fn = context_fn.load(acquire)) fn(origin, sizeof origin);  // mm:log-context
  const log_message message{.level = level, .text = text, .origin = origin};
  try {
    if (level >= log_level::warn) latest_messages::of_process().add(message);
    const auto use = chosen_logger::of_process().get();
    use != nullptr ? (*use)(message) : write_to_stderr(message);
  } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
  }
}

void set_log_context(log_context_fn fn) noexcept { context_fn.store(fn, release); }  // mm:log-context

}  // namespace detail

void set_logger(logger use) {
  auto made = use ? std::make_shared<const logger>(std::move(use)) : nullptr;
  auto& chosen = detail::chosen_logger::of_process();
  const detail::spin_guard guard(chosen.lock);
  chosen.use.swap(made);  // the former one ends without the lock, with its last call
}

std::vector<kept_message> recent_messages() {
  auto& latest = detail::latest_messages::of_process();
  const std::lock_guard guard(latest.lock);
  return {latest.all.begin(), latest.all.end()};
}

void set_log_level(log_level least) noexcept {
  detail::least_level.store(least, detail::relaxed);  // mm:log-level
}

}  // namespace sennit::inline v0

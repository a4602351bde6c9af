#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdarg>
#include <cstdio>
#include <memory>

#include "base/atomic.hpp"

namespace sennit::inline v0::detail {
namespace {

constinit atomic<log_context_fn> context_fn{nullptr};

/// The pattern's %*: "fiber/worker" of the caller, or "-" on a plain thread.
class context_flag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& dest) override {
    char text[96] = "-";
    if (auto* fn = context_fn.load(acquire)) fn(text, sizeof text);  // mm:log-context
    dest.append(std::string_view(text));
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<context_flag>();
  }
};

spdlog::logger& logger() {
  // Never destroyed: a fiber may log while static destructors run.
  static auto* const it = [] {
    auto* made = new spdlog::logger("sennit", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<context_flag>('*').set_pattern("%Y-%m-%d %H:%M:%S.%e [%n] [%l] [%*] %v");
    made->set_formatter(std::move(formatter));
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return *it;
}

constexpr spdlog::level::level_enum to_spdlog(log_level level) {
  switch (level) {
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warn: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void log(log_level level, const char* format, ...) noexcept {
  char text[2048];
  std::va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  logger().log(to_spdlog(level), "{}", text);
}

void set_log_context(log_context_fn fn) noexcept { context_fn.store(fn, release); }  // mm:log-context

}  // namespace sennit::inline v0::detail

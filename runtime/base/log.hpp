#pragma once
// Logging. log.cpp is the only file that sees spdlog; printf formatting keeps fmt out of every other translation unit.
#include <cstddef>

#include <sennit/log.hpp>

namespace sennit::inline v0::detail {

/// Any thread or fiber. Default: warnings and errors to stderr, one line each, with the fiber's name and the worker.
[[gnu::format(printf, 2, 3)]] void log(log_level level, const char* format, ...) noexcept;

/// Floor 4 tells what to print for "which fiber, which worker": writes at most `size` bytes into `out`,
/// zero-terminated.
using log_context_fn = void (*)(char* out, std::size_t size) noexcept;
void set_log_context(log_context_fn fn) noexcept;

}  // namespace sennit::inline v0::detail

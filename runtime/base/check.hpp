#pragma once
// CHECK: misuse and impossible states end the process with one sentence that says what to do instead.
#include <cstdint>

namespace sennit::inline v0::detail {

/// Writes "sennit: CHECK failed at FILE:LINE: EXPR: MESSAGE (saw 0x...)" to stderr and aborts. Any thread, any state.
[[noreturn]] void check_failed(const char* file, int line, const char* expr, const char* message) noexcept;
[[noreturn]] void check_failed(const char* file, int line, const char* expr, const char* message,
                               std::uint64_t seen) noexcept;

}  // namespace sennit::inline v0::detail

/// Aborts unless `cond`; `message` is a sentence for the user: what to do instead.
#define SENNIT_CHECK(cond, message) \
  (__builtin_expect(!!(cond), 1) ? void() : ::sennit::detail::check_failed(__FILE__, __LINE__, #cond, message))

/// The same for states that cannot be: also prints the word that was seen.
#define SENNIT_CHECK_SEEN(cond, message, seen) \
  (__builtin_expect(!!(cond), 1)               \
       ? void()                                \
       : ::sennit::detail::check_failed(__FILE__, __LINE__, #cond, message, static_cast<std::uint64_t>(seen)))

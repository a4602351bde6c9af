#include "base/check.hpp"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace sennit::inline v0::detail {
namespace {

[[noreturn]] void die(const char* text, int length) noexcept {
  // stdio may be locked by the thread that is in trouble: one write, no buffers.
  if (length > 0) {
    [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
  }
  std::abort();
}

}  // namespace

void check_failed(const char* file, int line, const char* expr, const char* message) noexcept {
  char text[1024];
  die(text, std::snprintf(text, sizeof text, "sennit: CHECK failed at %s:%d: %s: %s\n", file, line, expr, message));
}

void check_failed(const char* file, int line, const char* expr, const char* message, std::uint64_t seen) noexcept {
  char text[1024];
  die(text, std::snprintf(text, sizeof text, "sennit: CHECK failed at %s:%d: %s: %s (saw 0x%" PRIx64 ")\n", file, line,
                          expr, message, seen));
}

}  // namespace sennit::inline v0::detail

// Delays at atomic operations, only in lanes built with SENNIT_JITTER.
#include <sched.h>

#include <cstdlib>

#include "base/atomic.hpp"

#if defined(SENNIT_JITTER)
namespace sennit::inline v0::detail {
namespace {

std::uint64_t seed() noexcept {
  const char* text = std::getenv("SENNIT_JITTER_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

constinit thread_local std::uint64_t state = 0;

}  // namespace

[[gnu::noinline]] __attribute__((no_sanitize("thread"))) void jitter_point() noexcept {
  // The address of the thread_local gives each thread a sequence of its own; noinline keeps it from being cached over
  // a switch.
  if (state == 0) state = (seed() * 0x9e3779b97f4a7c15ULL) ^ reinterpret_cast<std::uintptr_t>(&state);
  // Nothing is called that ThreadSanitizer looks into: handlers of signals come here, and their stack has no owner.
  state = state * 6364136223846793005ULL + 1442695040888963407ULL;  // Knuth's MMIX
  const auto dice = static_cast<std::uint32_t>(state >> 33);
  if (dice % 4096 == 0) {
    ::sched_yield();
  } else if (dice % 256 == 0) {
    for (unsigned i = 0; i < dice % 64; ++i) cpu_pause();
  }
}

}  // namespace sennit::inline v0::detail
#endif

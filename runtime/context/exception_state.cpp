#include <cxxabi.h>

#include "context/context.hpp"

#if SENNIT_ASAN
#include <sanitizer/lsan_interface.h>
#endif

// Part of the ABI, but libc++abi's header leaves it out.
namespace __cxxabiv1 {
struct __cxa_eh_globals;
// NOLINTNEXTLINE(readability-redundant-declaration): libstdc++ has it
extern "C" __cxa_eh_globals* __cxa_get_globals() noexcept;
}  // namespace __cxxabiv1

namespace sennit::inline v0::detail {

exception_state* thread_exception_state() noexcept {
  auto* state = reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
  // Hides where the pointer came from: otherwise the compiler finds that this function is as const as the one it calls,
  // and its callers reuse the result after a switch that changed threads.
  asm volatile("" : "+r"(state)::"memory");
  return state;
}

void destroy_context([[maybe_unused]] context& dead) noexcept {
#if SENNIT_ASAN
  if (dead.is_leak_root) __lsan_unregister_root_region(dead.stack_bottom, dead.stack_bytes);
  dead.is_leak_root = false;
#endif
#if SENNIT_TSAN
  if (dead.tsan_fiber != nullptr) __tsan_destroy_fiber(dead.tsan_fiber);
  dead.tsan_fiber = nullptr;
#endif
}

}  // namespace sennit::inline v0::detail

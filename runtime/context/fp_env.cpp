// Floating-point control words, by architecture.
#include "context/switch_site.hpp"

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <cfenv>
#endif

namespace sennit::inline v0::detail {

#if !SENNIT_FP_ENV

SENNIT_SWITCH_CODE fp_env current_fp_env() noexcept { return {}; }

#else

#if defined(__x86_64__)

SENNIT_SWITCH_CODE fp_env current_fp_env() noexcept {
  std::uint32_t mxcsr;
  std::uint16_t x87;
  asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
  mxcsr &= 0xffc0;  // the control bits: a new fiber starts without its spawner's exception flags
  return {std::uint64_t{x87} << 32 | mxcsr};
}

SENNIT_SWITCH_CODE void install_fp_env(fp_env fp) noexcept {
  const auto mxcsr = static_cast<std::uint32_t>(fp.bits);
  const auto x87 = static_cast<std::uint16_t>(fp.bits >> 32);
  asm volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(x87));
}

#elif defined(__aarch64__)

SENNIT_SWITCH_CODE fp_env current_fp_env() noexcept {
  fp_env fp;
  asm volatile("mrs %0, fpcr" : "=r"(fp.bits));
  return fp;
}

SENNIT_SWITCH_CODE void install_fp_env(fp_env fp) noexcept { asm volatile("msr fpcr, %0" ::"r"(fp.bits)); }

#else  // the rounding mode is what <cfenv> can tell portably

SENNIT_SWITCH_CODE fp_env current_fp_env() noexcept { return {static_cast<std::uint64_t>(std::fegetround())}; }
SENNIT_SWITCH_CODE void install_fp_env(fp_env fp) noexcept { std::fesetround(static_cast<int>(fp.bits)); }

#endif
#endif

}  // namespace sennit::inline v0::detail

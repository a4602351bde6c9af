#pragma once
#include <cstddef>
#include <cstdint>

namespace sennit::detail::test {

#if defined(__x86_64__)
inline constexpr std::size_t kept_registers = 6;  // rbx rbp r12-r15
#elif defined(__aarch64__)
inline constexpr std::size_t kept_registers = 19;  // x19-x29 d8-d15
#endif

/// Fills the callee-saved registers from `in`, calls fn(argument), stores what they hold then to `out`.
extern "C" void sennit_test_with_registers(void (*fn)(void*), void* argument, const std::uint64_t* in,
                                           std::uint64_t* out);

}  // namespace sennit::detail::test

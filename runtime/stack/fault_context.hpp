#pragma once
// Where a signal interrupted its thread. The only file that knows how each system and architecture lays that out.
#include <csignal>
#include <cstdint>

namespace sennit::inline v0::detail {

struct fault_context {
  std::uintptr_t pc;
  std::uintptr_t sp;
};

/// `context`: the third argument of a SA_SIGINFO handler. `fault_address` stands in for the stack pointer where the
/// layout is not known: an overflow faults near it.
inline fault_context read_fault_context(const void* context, [[maybe_unused]] const void* fault_address) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__linux__) && defined(__x86_64__)
  constexpr int rip = 16, rsp = 15;  // REG_RIP and REG_RSP, which only GNU names
  return {static_cast<std::uintptr_t>(machine.gregs[rip]), static_cast<std::uintptr_t>(machine.gregs[rsp])};
#elif defined(__linux__) && defined(__aarch64__)
  return {machine.pc, machine.sp};
#elif defined(__APPLE__) && defined(__x86_64__)
  return {machine->__ss.__rip, machine->__ss.__rsp};
#elif defined(__APPLE__) && defined(__aarch64__)
  return {machine->__ss.__pc, machine->__ss.__sp};
#else
  static_cast<void>(machine);
  return {0, reinterpret_cast<std::uintptr_t>(fault_address)};
#endif
}

}  // namespace sennit::inline v0::detail

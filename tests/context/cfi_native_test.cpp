// Hazard 7: the unwind information is right at every single instruction of the switch and of the entry, as a profiler
// would find it. The CPU's single-step flag raises SIGTRAP after each instruction; the handler walks the stack. Native:
// an emulator has no such flag for the guest, sanitizers defer signals.
#include <gtest/gtest.h>
#include <signal.h>
#include <ucontext.h>
#include <unwind.h>

#include <array>
#include <cstdint>
#include <set>

#include "context/harness.hpp"

extern "C" {
extern const char sennit_switch_stack;
extern const char sennit_context_bottom;
extern const char sennit_walk_suspended;
}

namespace sennit::detail::test {
namespace {

const auto switch_begin = reinterpret_cast<std::uintptr_t>(&sennit_switch_stack);
const auto entry_begin = reinterpret_cast<std::uintptr_t>(&sennit_context_bottom);
const auto entry_end = reinterpret_cast<std::uintptr_t>(&sennit_walk_suspended);

/// What the ABI says that a call keeps: rbx rbp r12-r15 and, by the CFA, rsp.
using kept = std::array<std::uintptr_t, 7>;

/// One stack's view of its call to the switch.
struct side {
  std::uintptr_t outermost;  // the function where its walks must end
  kept at_call{};            // the caller's registers, once it has called
  bool has_called = false;
  int walks = 0;
};

struct step_record {
  const test_stack* stack;
  side thread;
  side context;
  std::set<std::uintptr_t> steps;  // the instructions that a walk began at
  int wrong_end = 0;
  int wrong_registers = 0;
};
step_record* record;  // for the signal handler

struct walk_state {
  std::uintptr_t interrupted = 0;  // look for this frame: the next one is the caller's
  bool caller_is_next = false;
  kept caller{};
  int frames = 0;
  std::uintptr_t last_function = 0;
};

_Unwind_Reason_Code on_frame(_Unwind_Context* at, void* to) {
  auto& seen = *static_cast<walk_state*>(to);
  int before = 0;
  const auto address = _Unwind_GetIPInfo(at, &before);
  if (address == 0) return _URC_NO_REASON;  // libgcc reports the end itself as a last frame
  if (seen.caller_is_next) {
    constexpr std::array dwarf_numbers{3, 6, 12, 13, 14, 15};
    for (std::size_t i = 0; i < dwarf_numbers.size(); ++i) seen.caller[i] = _Unwind_GetGR(at, dwarf_numbers[i]);
    seen.caller.back() = _Unwind_GetCFA(at);
  }
  seen.caller_is_next = before != 0 && address == seen.interrupted;
  // It looks up the byte before what it is given: right for a return address, not for an interrupted instruction.
  const auto look_up = reinterpret_cast<void*>(address + (before == 0 ? 0 : 1));
  seen.last_function = reinterpret_cast<std::uintptr_t>(_Unwind_FindEnclosingFunction(look_up));
  return ++seen.frames < 200 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

walk_state walk(std::uintptr_t interrupted) {
  walk_state state{.interrupted = interrupted};
  if (_Unwind_Backtrace(on_frame, &state) != _URC_END_OF_STACK) state.last_function = 0;
  return state;
}

void on_step(int, siginfo_t*, void* raw) {
  const auto& registers = static_cast<ucontext_t*>(raw)->uc_mcontext.gregs;
  const auto word = [&](int which) { return static_cast<std::uintptr_t>(registers[which]); };
  const std::uintptr_t pc = word(REG_RIP);
  const bool in_switch = pc >= switch_begin && pc < entry_begin;
  const bool in_entry = pc >= entry_begin && pc < entry_end;
  if (!in_switch && !in_entry) return;
  const auto* const sp = reinterpret_cast<const std::byte*>(word(REG_RSP));
  side& here = sp >= record->stack->limit() && sp <= record->stack->top() ? record->context : record->thread;
  if (pc == switch_begin) {
    here.at_call = {word(REG_RBX), word(REG_RBP), word(REG_R12),    word(REG_R13),
                    word(REG_R14), word(REG_R15), word(REG_RSP) + 8};
    here.has_called = true;
  }
  const walk_state seen = walk(pc);
  record->steps.insert(pc);
  ++here.walks;
  // At the end of a context there is nothing more below its entry, on whichever stack.
  if (seen.last_function != (in_entry ? entry_begin : here.outermost)) ++record->wrong_end;
  if (in_switch && here.has_called && seen.caller != here.at_call) ++record->wrong_registers;
}

void set_single_step(bool on) {
  asm volatile(
      "lea -128(%%rsp), %%rsp\n\t"
      "pushfq\n\t"
      "andq $~0x100, (%%rsp)\n\t"
      "orq %0, (%%rsp)\n\t"
      "popfq\n\t"
      "lea 128(%%rsp), %%rsp" ::"r"(on ? std::uint64_t{0x100} : std::uint64_t{0})
      : "memory", "cc");
}

TEST(ContextCfi, RightAtEveryInstruction) {
  struct both {
    context mine;
    context other;
    exception_state* live = thread_exception_state();
  } pair;
  const test_stack stack;
  step_record results{};
  results.stack = &stack;
  results.thread.outermost = walk(0).last_function;
  results.context.outermost = entry_begin;
  ASSERT_NE(results.thread.outermost, 0U);
  record = &results;

  struct sigaction action{};
  struct sigaction before{};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(::sigaction(SIGTRAP, &action, &before), 0);
  make_context(
      pair.other, stack.limit(), stack.top(),
      [](void* transfer) -> last_switch {
        auto& at = *static_cast<both*>(transfer);
        for (int i = 0; i < 2; ++i) switch_context(at.other, at.mine, nullptr, *at.live);
        return {at.other, at.mine, nullptr, *at.live};
      },
      current_fp_env());
  set_single_step(true);
  for (int i = 0; i < 3; ++i) switch_context(pair.mine, pair.other, &pair, *pair.live);
  set_single_step(false);
  ASSERT_EQ(::sigaction(SIGTRAP, &before, nullptr), 0);

  EXPECT_EQ(results.wrong_end, 0);
  EXPECT_EQ(results.wrong_registers, 0);
  EXPECT_GE(results.thread.walks, 60);
  EXPECT_GE(results.context.walks, 60);
  EXPECT_GE(results.steps.size(), 40U);
}

}  // namespace
}  // namespace sennit::detail::test

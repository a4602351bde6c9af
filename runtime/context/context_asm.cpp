// Contexts on the project's own assembly (asm/). abi.h describes the frame.
#include <unwind.h>

#include <new>
#include <utility>

#include "abi.h"
#include "context/switch_site.hpp"

#pragma GCC visibility push(hidden)
extern "C" {
void* sennit_switch_stack(void** save_sp, void* load_sp, void* transfer);
void sennit_context_bottom();
/// Who goes on where a context has ended: returned in two registers.
struct sennit_resumption {
  void* sp;
  void* transfer;
};
sennit_resumption sennit_context_main(void* transfer, sennit::detail::context_entry entry) noexcept;
void sennit_walk_suspended(void* sp, void* walk);
void sennit_walk(void* walk) noexcept;
}
#pragma GCC visibility pop

namespace sennit::inline v0::detail {
namespace {

// What the assembly carries across: the transfer itself, or where ASan has to be told whose stack was left, the context
// that has it. It is read before anyone can resume that one.
#if SENNIT_ASAN
SENNIT_SWITCH_INLINE void* pack(context& from, void* transfer) {
  from.transfer = transfer;
  return &from;
}
SENNIT_SWITCH_INLINE void* unpack(context* self, void* in) {
  auto& left = *static_cast<context*>(in);
  arrive(self, left);
  return std::exchange(left.transfer, nullptr);
}
#else
SENNIT_SWITCH_INLINE void* pack(context&, void* transfer) { return transfer; }
SENNIT_SWITCH_INLINE void* unpack(context*, void* in) { return in; }
#endif

/// A walk up the stack that sennit_walk() is called on, or, as the unwinder believes, another one.
struct stack_walk {
  std::span<const void*> into;
  std::size_t count = 0;
  std::size_t left_out = 2;  // sennit_walk() and sennit_walk_suspended()
};

_Unwind_Reason_Code note_frame(_Unwind_Context* at, void* to) {
  auto& walk = *static_cast<stack_walk*>(to);
  if (walk.left_out > 0) {
    --walk.left_out;
    return _URC_NO_REASON;
  }
  const auto address = _Unwind_GetIP(at);
  if (address == 0 || walk.count == walk.into.size()) return _URC_NORMAL_STOP;
  walk.into[walk.count++] = reinterpret_cast<const void*>(address);
  return _URC_NO_REASON;
}

}  // namespace

const char* const context_name = SENNIT_CONTEXT_NAME;

SENNIT_SWITCH_CODE void make_context(context& into, void* limit, void* top, context_entry entry,
                                     [[maybe_unused]] fp_env fp) noexcept {
  make_clean(into, limit, top, [&]() SENNIT_SWITCH_CODE {
    auto* const end = static_cast<std::byte*>(top) - SENNIT_TOP_BYTES;
    new (end) std::byte[SENNIT_TOP_BYTES]{};
    auto* const frame = new (end - SENNIT_FRAME_BYTES) switch_frame{};
    frame->start = reinterpret_cast<std::uintptr_t>(entry);
    frame->resume = reinterpret_cast<std::uintptr_t>(&sennit_context_bottom) + SENNIT_START_OFFSET;
#if SENNIT_FP_ENV
    frame->fp_env = fp.bits;
#endif
    return frame;
  });
}

SENNIT_SWITCH_CODE void* switch_context(context& from, context& to, void* transfer, exception_state& live) noexcept {
  leave(from, to, live, false);
  void* in = sennit_switch_stack(&from.sp, to.sp, pack(from, transfer));
  asm volatile("" : "+r"(in));  // not a tail call: the assembly returns to this line, for all switches of the process
  return unpack(&from, in);
}

std::size_t walk_suspended(const context& suspended, std::span<const void*> into) noexcept {
  stack_walk walk{into};
  sennit_walk_suspended(suspended.sp, &walk);
  return walk.count;
}

}  // namespace sennit::inline v0::detail

// Called by the assembly in a frame that seems to belong to another stack.
void sennit_walk(void* walk) noexcept {
  _Unwind_Backtrace(sennit::detail::note_frame, walk);
  asm volatile("");  // not a tail call: the frame below this one is the one that matters
}

// Called by the assembly on a new stack, which it leaves for the one that is returned. noexcept: an exception that
// leaves `entry` terminates at its throw site, with the guilty frames still on the stack.
SENNIT_SWITCH_CODE sennit_resumption sennit_context_main(void* transfer, sennit::detail::context_entry entry) noexcept {
  using namespace sennit::detail;
  const last_switch end = entry(unpack(nullptr, transfer));
  leave(end.from, end.to, end.live, true);
  return {end.to.sp, pack(end.from, end.transfer)};
}

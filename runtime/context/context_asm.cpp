// Contexts on the project's own assembly (asm/). abi.h describes the frame.
#include <new>

#include "abi.h"
#include "context/switch_site.hpp"

#pragma GCC visibility push(hidden)
extern "C" {
void* sennit_switch_stack(void** save_sp, void* load_sp, void* transfer);
void sennit_context_start();
[[noreturn]] void sennit_context_main(void* transfer, sennit::detail::context_entry entry) noexcept;
}
#pragma GCC visibility pop

namespace sennit::inline v0::detail {
namespace {

// What the assembly carries across: the transfer itself, or where ASan has to be told whose stack was left, a crossing.
#if SENNIT_ASAN
SENNIT_SWITCH_INLINE void* pack(crossing& out) { return &out; }
SENNIT_SWITCH_INLINE void* unpack(context* self, void* in) { return arrive(self, *static_cast<crossing*>(in)); }
#else
SENNIT_SWITCH_INLINE void* pack(crossing& out) { return out.transfer; }
SENNIT_SWITCH_INLINE void* unpack(context*, void* in) { return in; }
#endif

}  // namespace

const char* const context_name = SENNIT_CONTEXT_NAME;

SENNIT_SWITCH_CODE void make_context(context& into, void* limit, void* top, context_entry entry,
                                     [[maybe_unused]] fp_env fp) noexcept {
  make_clean(into, limit, top, [&]() SENNIT_SWITCH_CODE {
    auto* const end = static_cast<std::byte*>(top) - SENNIT_TOP_BYTES;
    new (end) std::byte[SENNIT_TOP_BYTES]{};
    auto* const frame = new (end - SENNIT_FRAME_BYTES) switch_frame{};
    frame->start = reinterpret_cast<std::uintptr_t>(entry);
    frame->resume = reinterpret_cast<std::uintptr_t>(&sennit_context_start);
#if SENNIT_FP_ENV
    frame->fp_env = fp.bits;
#endif
    return frame;
  });
}

SENNIT_SWITCH_CODE void* switch_context(context& from, context& to, void* transfer, exception_state& live,
                                        bool final) noexcept {
  crossing out{&from, transfer};
  leave(from, to, live, final);
  void* in = sennit_switch_stack(&from.sp, to.sp, pack(out));
  asm volatile("" : "+r"(in));  // not a tail call: the assembly returns to this line, for all switches of the process
  return unpack(&from, in);
}

}  // namespace sennit::inline v0::detail

// Called by the assembly on a new stack.
SENNIT_SWITCH_CODE void sennit_context_main(void* transfer, sennit::detail::context_entry entry) noexcept {
  using namespace sennit::detail;
  run_entry(entry, unpack(nullptr, transfer));
}

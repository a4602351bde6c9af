// The frame that a suspended context leaves on its stack: the offsets are read by the assembly, the structure by C++,
// and the assertions below keep them the same. One block per architecture; nothing else knows these numbers.
//
// SENNIT_FP_ENV (a build option) decides whether floating-point control words are part of the frame.
#ifndef SENNIT_ASM_ABI_H_
#define SENNIT_ASM_ABI_H_

// Zero bytes above the first frame: a zero return address for walkers that read memory instead of CFI.
#define SENNIT_TOP_BYTES 16

#if defined(__x86_64__)

#define SENNIT_START_OFFSET 1  // of the start of a context in sennit_context_bottom: behind a nop
#define SENNIT_CONTEXT_NAME "asm x86-64 sysv"
#if defined(SENNIT_FP_ENV)
#define SENNIT_FRAME_FP_ENV 0        // MXCSR in the low half, x87 control word in the high half
#define SENNIT_MXCSR_CONTROL 0xffc0  // all but the status bits
#define SENNIT_FRAME_R12 8
#else
#define SENNIT_FRAME_R12 0
#endif
#define SENNIT_FRAME_R13 (SENNIT_FRAME_R12 + 8)
#define SENNIT_FRAME_R14 (SENNIT_FRAME_R12 + 16)
#define SENNIT_FRAME_R15 (SENNIT_FRAME_R12 + 24)
#define SENNIT_FRAME_START (SENNIT_FRAME_R12 + 32)   // rbx: a new context finds its entry there
#define SENNIT_FRAME_FP (SENNIT_FRAME_R12 + 40)      // rbp
#define SENNIT_FRAME_RESUME (SENNIT_FRAME_R12 + 48)  // return address
#define SENNIT_FRAME_BYTES (SENNIT_FRAME_R12 + 56)

#elif defined(__aarch64__)

#define SENNIT_START_OFFSET 4
#define SENNIT_CONTEXT_NAME "asm arm64 aapcs"
#define SENNIT_FRAME_D8 0
#define SENNIT_FRAME_START 64  // x19: a new context finds its entry there
#define SENNIT_FRAME_X20 72
#define SENNIT_FRAME_FP 144      // x29
#define SENNIT_FRAME_RESUME 152  // x30
#if defined(SENNIT_FP_ENV)
#define SENNIT_FRAME_FP_ENV 160  // FPCR, and 8 bytes that keep sp a multiple of 16
#define SENNIT_FRAME_BYTES 176
#else
#define SENNIT_FRAME_BYTES 160
#endif

#else
#error "No assembly for this architecture: configure with -DSENNIT_CONTEXT=boost"
#endif

#if !defined(__ASSEMBLER__)
#include <cstddef>
#include <cstdint>

namespace sennit::inline v0::detail {

/// Lies at context::sp while a context is suspended.
struct switch_frame {
#if defined(__x86_64__)
#if defined(SENNIT_FP_ENV)
  std::uint64_t fp_env;
#endif
  std::uint64_t r12_to_r15[4];
  std::uint64_t start;
  std::uint64_t frame_pointer;
  std::uint64_t resume;
#elif defined(__aarch64__)
  double d8_to_d15[8];
  std::uint64_t start;
  std::uint64_t x20_to_x28[9];
  std::uint64_t frame_pointer;
  std::uint64_t resume;
#if defined(SENNIT_FP_ENV)
  std::uint64_t fp_env;
  std::uint64_t padding;
#endif
#endif
};
static_assert(offsetof(switch_frame, start) == SENNIT_FRAME_START);
static_assert(offsetof(switch_frame, frame_pointer) == SENNIT_FRAME_FP);
static_assert(offsetof(switch_frame, resume) == SENNIT_FRAME_RESUME);
static_assert(sizeof(switch_frame) == SENNIT_FRAME_BYTES);
#if defined(SENNIT_FP_ENV)
static_assert(offsetof(switch_frame, fp_env) == SENNIT_FRAME_FP_ENV);
#endif

}  // namespace sennit::inline v0::detail
#endif  // !__ASSEMBLER__

#endif  // SENNIT_ASM_ABI_H_

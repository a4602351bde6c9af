// Context switch and context entry for arm64, AAPCS64, Mach-O. The instructions are those of
// switch_arm64_aapcs_elf.S; directives and names are those of Apple's assembler.
//
//   void* sennit_switch_stack(void** save_sp, void* load_sp, void* transfer);
//
//     save_sp   x0   where the caller's sp is stored: it is now suspended
//     load_sp   x1   an sp that was stored so, or a frame made by make_context()
//     transfer  x2   returned (x0) on the stack that is resumed, or handed to its entry
//
// Frame at a suspended sp (abi.h; without SENNIT_FP_ENV it ends at +160):
//
//     +0   d8 ... d15     +64  x19 ... x28     +144 x29     +152 x30     +160 FPCR
//
// Not saved: x0-x17, v0-v7, v16-v31, the upper halves of v8-v15, NZCV and FPSR: the ABI lets every call change them,
// and this is a call (SVE and SME state likewise: a caller in streaming mode must leave it first). x18 is the
// platform's and is never touched. TPIDR_EL0 belongs to the thread. x30 is not signed: a signature made with one sp
// would have to be checked with the same sp, which holds, but of a new context it is an address that C++ wrote.
//
// The last instruction is a ret, not br: it keeps the return-address predictor in step with the calls. For the same
// reason a new stack, which no call has left, is jumped to; and where a context ends, the calls on its stack have all
// returned.
//
// There is no .subsections_via_symbols: the linker must not part the start of a context from the nop in front of it.
#include "abi.h"

// Where the frame at the CFA's lower end has what calls keep.
        .macro  registers_in_frame
        .cfi_rel_offset d8, SENNIT_FRAME_D8
        .cfi_rel_offset d9, SENNIT_FRAME_D8 + 8
        .cfi_rel_offset d10, SENNIT_FRAME_D8 + 16
        .cfi_rel_offset d11, SENNIT_FRAME_D8 + 24
        .cfi_rel_offset d12, SENNIT_FRAME_D8 + 32
        .cfi_rel_offset d13, SENNIT_FRAME_D8 + 40
        .cfi_rel_offset d14, SENNIT_FRAME_D8 + 48
        .cfi_rel_offset d15, SENNIT_FRAME_D8 + 56
        .cfi_rel_offset x19, SENNIT_FRAME_START
        .cfi_rel_offset x20, SENNIT_FRAME_X20
        .cfi_rel_offset x21, SENNIT_FRAME_X20 + 8
        .cfi_rel_offset x22, SENNIT_FRAME_X20 + 16
        .cfi_rel_offset x23, SENNIT_FRAME_X20 + 24
        .cfi_rel_offset x24, SENNIT_FRAME_X20 + 32
        .cfi_rel_offset x25, SENNIT_FRAME_X20 + 40
        .cfi_rel_offset x26, SENNIT_FRAME_X20 + 48
        .cfi_rel_offset x27, SENNIT_FRAME_X20 + 56
        .cfi_rel_offset x28, SENNIT_FRAME_X20 + 64
        .cfi_rel_offset x29, SENNIT_FRAME_FP
        .cfi_rel_offset x30, SENNIT_FRAME_RESUME
        .endm

        .text
        .globl  _sennit_switch_stack
        .private_extern _sennit_switch_stack
        .p2align 6
_sennit_switch_stack:
        .cfi_startproc
        hint    #34                     // bti c
        sub     sp, sp, #SENNIT_FRAME_BYTES
        .cfi_adjust_cfa_offset SENNIT_FRAME_BYTES
        stp     d8, d9, [sp, #SENNIT_FRAME_D8]
        stp     d10, d11, [sp, #SENNIT_FRAME_D8 + 16]
        stp     d12, d13, [sp, #SENNIT_FRAME_D8 + 32]
        stp     d14, d15, [sp, #SENNIT_FRAME_D8 + 48]
        stp     x19, x20, [sp, #SENNIT_FRAME_START]
        stp     x21, x22, [sp, #SENNIT_FRAME_X20 + 8]
        stp     x23, x24, [sp, #SENNIT_FRAME_X20 + 24]
        stp     x25, x26, [sp, #SENNIT_FRAME_X20 + 40]
        stp     x27, x28, [sp, #SENNIT_FRAME_X20 + 56]
        stp     x29, x30, [sp, #SENNIT_FRAME_FP]
#if defined(SENNIT_FP_ENV)
        mrs     x10, fpcr
        str     x10, [sp, #SENNIT_FRAME_FP_ENV]
#endif
        // All are in memory and still in their registers, so that the rules may change at once.
        registers_in_frame

        // One instruction changes whose frame this is; the rules above describe both, because all frames are alike.
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        mov     x0, x2

Lgo_on:
#if defined(SENNIT_FP_ENV)
        ldr     x9, [sp, #SENNIT_FRAME_FP_ENV]
        cmp     x9, x10                 // writing FPCR drains the pipeline on many cores: only if it differs
        b.eq    1f
        msr     fpcr, x9
1:
#endif
        ldp     d8, d9, [sp, #SENNIT_FRAME_D8]
        ldp     d10, d11, [sp, #SENNIT_FRAME_D8 + 16]
        ldp     d12, d13, [sp, #SENNIT_FRAME_D8 + 32]
        ldp     d14, d15, [sp, #SENNIT_FRAME_D8 + 48]
        ldp     x19, x20, [sp, #SENNIT_FRAME_START]
        ldp     x21, x22, [sp, #SENNIT_FRAME_X20 + 8]
        ldp     x23, x24, [sp, #SENNIT_FRAME_X20 + 24]
        ldp     x25, x26, [sp, #SENNIT_FRAME_X20 + 40]
        ldp     x27, x28, [sp, #SENNIT_FRAME_X20 + 56]
        ldp     x29, x30, [sp, #SENNIT_FRAME_FP]
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        add     sp, sp, #SENNIT_FRAME_BYTES
        .cfi_adjust_cfa_offset -SENNIT_FRAME_BYTES
        adr     x9, Lstart
        cmp     x9, x30
        b.eq    Lstart
        ret
        .cfi_endproc

// A new stack is begun behind the nop: x0 = transfer, x19 = entry, x29 = 0. `sennit_resumption
// sennit_context_main(void* transfer, context_entry entry)` returns who goes on when this context has ended: x0 = an sp
// like load_sp, x1 = what that stack is handed. The return address is undefined: here every unwinder stops. Unwinders
// look up "return address - 1"; without the nop they would find the code in front of this function. A branch to a label
// needs no landing pad; the bti is there for a port that would enter with br.
        .globl  _sennit_context_bottom
        .private_extern _sennit_context_bottom
        .p2align 4
_sennit_context_bottom:
        .cfi_startproc
        .cfi_undefined x30
        nop
Lstart:
        hint    #36                     // bti j
        mov     x1, x19
        bl      _sennit_context_main
#if defined(SENNIT_FP_ENV)
        mrs     x10, fpcr
#endif
        mov     sp, x0
        mov     x0, x1
        b       Lgo_on
        .cfi_endproc

// void sennit_walk_suspended(void* sp, void* walk) calls `void sennit_walk(void* walk)` in a frame whose unwind rules say
// that it was called by what was suspended with that sp. An unwinder that starts in sennit_walk goes on there; on that
// stack nothing is written.
        .globl  _sennit_walk_suspended
        .private_extern _sennit_walk_suspended
        .p2align 4
_sennit_walk_suspended:
        .cfi_startproc
        hint    #34                     // bti c
        sub     sp, sp, #32
        .cfi_adjust_cfa_offset 32
        stp     x29, x30, [sp]
        str     x19, [sp, #16]
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        .cfi_rel_offset x19, 16
        mov     x19, x0
        mov     x0, x1
        .cfi_remember_state
        .cfi_def_cfa x19, SENNIT_FRAME_BYTES
        registers_in_frame
        bl      _sennit_walk
        .cfi_restore_state
        ldp     x29, x30, [sp]
        ldr     x19, [sp, #16]
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore x19
        add     sp, sp, #32
        .cfi_adjust_cfa_offset -32
        ret
        .cfi_endproc

// Context switch and context entry for x86-64, System V ABI, ELF.
//
//   void* sennit_switch_stack(void** save_sp, void* load_sp, void* transfer);
//
//     save_sp   rdi   where the caller's sp is stored: it is now suspended
//     load_sp   rsi   an sp that was stored so, or a frame made by make_context()
//     transfer  rdx   returned (rax) on the stack that is resumed, or handed to its entry
//
// Frame at a suspended sp (abi.h; without SENNIT_FP_ENV everything moves down by 8):
//
//     +0   MXCSR   +4 x87 control word (16 bits)
//     +8   r12     +16 r13     +24 r14     +32 r15
//     +40  rbx     +48 rbp     +56 return address
//
// Not saved: rax rcx rdx rsi rdi r8-r11, xmm, ymm, zmm, mask and x87 data registers, flags, the x87 status word and the
// status bits of MXCSR: the ABI lets every call change them, and this is a call. The direction flag is clear at every
// call. fs and gs belong to the thread. The shadow stack (CET SHSTK) is not switched, so the property note at the end
// claims IBT only.
//
// The last instruction is a ret, not pop and jmp: it keeps the return-address predictor in step with the calls. For the
// same reason a new stack, which no call has left, is jumped to; and where a context ends, the calls on its stack have
// all returned.
#include "abi.h"

        .text
        .globl  sennit_switch_stack
        .hidden sennit_switch_stack
        .type   sennit_switch_stack, @function
        .p2align 6
sennit_switch_stack:
        .cfi_startproc
        endbr64
        leaq    -SENNIT_FRAME_RESUME(%rsp), %rsp
        .cfi_adjust_cfa_offset SENNIT_FRAME_RESUME
#if defined(SENNIT_FP_ENV)
        stmxcsr SENNIT_FRAME_FP_ENV(%rsp)
        fnstcw  SENNIT_FRAME_FP_ENV+4(%rsp)
#endif
        movq    %r12, SENNIT_FRAME_R12(%rsp)
        .cfi_rel_offset %r12, SENNIT_FRAME_R12
        movq    %r13, SENNIT_FRAME_R13(%rsp)
        .cfi_rel_offset %r13, SENNIT_FRAME_R13
        movq    %r14, SENNIT_FRAME_R14(%rsp)
        .cfi_rel_offset %r14, SENNIT_FRAME_R14
        movq    %r15, SENNIT_FRAME_R15(%rsp)
        .cfi_rel_offset %r15, SENNIT_FRAME_R15
        movq    %rbx, SENNIT_FRAME_START(%rsp)
        .cfi_rel_offset %rbx, SENNIT_FRAME_START
        movq    %rbp, SENNIT_FRAME_FP(%rsp)
        .cfi_rel_offset %rbp, SENNIT_FRAME_FP

        // One instruction changes whose frame this is; the rules above describe both, because all frames are alike.
        movq    %rsp, (%rdi)
        movq    %rsp, %r8
        movq    %rsi, %rsp
        movq    %rdx, %rax
        // A debugger that takes a suspended sp for the caller's of this place finds all registers by the rules above.
        .globl  sennit_switch_suspended
        .hidden sennit_switch_suspended
sennit_switch_suspended:

.Lgo_on:
#if defined(SENNIT_FP_ENV)
        // Control words are loaded only if they differ, which they hardly ever do. Zen 5: 3.5 ns a switch so; 5.1 with
        // both loaded always; 60 if the load changes any bit of MXCSR. Status bits differ between contexts all the time
        // (one has divided, the other not) and are not kept by calls: they do not count.
        movl    SENNIT_FRAME_FP_ENV(%r8), %ecx
        xorl    SENNIT_FRAME_FP_ENV(%rsp), %ecx
        testl   $SENNIT_MXCSR_CONTROL, %ecx
        jnz     .Lload_mxcsr
.Lmxcsr_is_right:
        movzwl  SENNIT_FRAME_FP_ENV+4(%r8), %ecx
        cmpw    SENNIT_FRAME_FP_ENV+4(%rsp), %cx
        jne     .Lload_x87
.Lx87_is_right:
        .cfi_remember_state
#endif
        movq    SENNIT_FRAME_R12(%rsp), %r12
        .cfi_restore %r12
        movq    SENNIT_FRAME_R13(%rsp), %r13
        .cfi_restore %r13
        movq    SENNIT_FRAME_R14(%rsp), %r14
        .cfi_restore %r14
        movq    SENNIT_FRAME_R15(%rsp), %r15
        .cfi_restore %r15
        movq    SENNIT_FRAME_START(%rsp), %rbx
        .cfi_restore %rbx
        movq    SENNIT_FRAME_FP(%rsp), %rbp
        .cfi_restore %rbp
        leaq    .Lstart(%rip), %rcx
        cmpq    %rcx, SENNIT_FRAME_RESUME(%rsp)
        je      .Lnew
        leaq    SENNIT_FRAME_RESUME(%rsp), %rsp
        .cfi_adjust_cfa_offset -SENNIT_FRAME_RESUME
        ret
        .cfi_adjust_cfa_offset SENNIT_FRAME_RESUME
.Lnew:
        leaq    SENNIT_FRAME_BYTES(%rsp), %rsp
        .cfi_adjust_cfa_offset -SENNIT_FRAME_BYTES
        jmp     .Lstart
#if defined(SENNIT_FP_ENV)
        .cfi_restore_state
.Lload_mxcsr:
        ldmxcsr SENNIT_FRAME_FP_ENV(%rsp)
        jmp     .Lmxcsr_is_right
.Lload_x87:
        fldcw   SENNIT_FRAME_FP_ENV+4(%rsp)
        jmp     .Lx87_is_right
#endif
        .cfi_endproc
        .size   sennit_switch_stack, .-sennit_switch_stack

// A new stack is begun behind the nop: rax = transfer, rbx = entry, rbp = 0, rsp a multiple of 16. `sennit_resumption
// sennit_context_main(void* transfer, context_entry entry)` returns who goes on when this context has ended: rax = an sp
// like load_sp, rdx = what that stack is handed. The return address is undefined: here every unwinder stops. Unwinders
// look up "return address - 1"; without the nop they would find the code in front of this function.
        .globl  sennit_context_bottom
        .hidden sennit_context_bottom
        .type   sennit_context_bottom, @function
        .p2align 4
sennit_context_bottom:
        .cfi_startproc
        .cfi_undefined %rip
        nop
.Lstart:
        endbr64
        movq    %rax, %rdi
        movq    %rbx, %rsi
        call    sennit_context_main
        leaq    -8(%rsp), %r8           // in the red zone
#if defined(SENNIT_FP_ENV)
        stmxcsr SENNIT_FRAME_FP_ENV(%r8)
        fnstcw  SENNIT_FRAME_FP_ENV+4(%r8)
#endif
        movq    %rax, %rsp
        movq    %rdx, %rax
        jmp     .Lgo_on
        .cfi_endproc
        .size   sennit_context_bottom, .-sennit_context_bottom

// void sennit_walk_suspended(void* sp, void* walk) calls `void sennit_walk(void* walk)` in a frame whose unwind rules say
// that it was called by what was suspended with that sp. An unwinder that starts in sennit_walk goes on there; on that
// stack nothing is written.
        .globl  sennit_walk_suspended
        .hidden sennit_walk_suspended
        .type   sennit_walk_suspended, @function
        .p2align 4
sennit_walk_suspended:
        .cfi_startproc
        endbr64
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        movq    %rdi, %rbx
        movq    %rsi, %rdi
        .cfi_remember_state
        .cfi_def_cfa %rbx, SENNIT_FRAME_BYTES
        .cfi_rel_offset %r12, SENNIT_FRAME_R12
        .cfi_rel_offset %r13, SENNIT_FRAME_R13
        .cfi_rel_offset %r14, SENNIT_FRAME_R14
        .cfi_rel_offset %r15, SENNIT_FRAME_R15
        .cfi_rel_offset %rbx, SENNIT_FRAME_START
        .cfi_rel_offset %rbp, SENNIT_FRAME_FP
        call    sennit_walk
        .cfi_restore_state
        popq    %rbx
        .cfi_restore %rbx
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   sennit_walk_suspended, .-sennit_walk_suspended

        .section .note.GNU-stack, "", @progbits

        .section .note.gnu.property, "a"
        .p2align 3
        .long   4                       // size of the name
        .long   16                      // size of the description
        .long   5                       // NT_GNU_PROPERTY_TYPE_0
        .asciz  "GNU"
        .long   0xc0000002              // GNU_PROPERTY_X86_FEATURE_1_AND
        .long   4
        .long   1                       // IBT
        .long   0

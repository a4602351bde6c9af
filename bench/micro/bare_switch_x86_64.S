// The yardstick of switch_bench.cpp: the least a switch with the same saved registers can cost. Two stacks run the same
// loop; no C++ in between.
//
//   void bare_rounds(void** from, void** to, std::uint64_t rounds);
//
//     from     rdi   where the calling stack's sp is kept
//     to       rsi   the other stack's sp; before the first call: a frame of zeros below `bare_other`
//     rounds   rdx   each is one switch to the other stack, which switches back
//
// A stack that looks as if it had been left there by the loop goes on at bare_back: r12 = from, r13 = to, rbx = rounds.
        .text

        .type   bare_switch, @function
        .p2align 6
bare_switch:                            // rdi: save sp there, rsi: load sp from there
        pushq   %rbp
        pushq   %rbx
        pushq   %r15
        pushq   %r14
        pushq   %r13
        pushq   %r12
#if defined(SENNIT_FP_ENV)
        leaq    -8(%rsp), %rsp
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
#endif
        movq    %rsp, (%rdi)
        movq    (%rsi), %rsp
#if defined(SENNIT_FP_ENV)
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        leaq    8(%rsp), %rsp
#endif
        popq    %r12
        popq    %r13
        popq    %r14
        popq    %r15
        popq    %rbx
        popq    %rbp
        ret
        .size   bare_switch, .-bare_switch

        .globl  bare_other
        .hidden bare_other
        .type   bare_other, @function
        .p2align 4
bare_other:                             // the first return on the other stack: bare_rounds(to, from, for ever)
        xchgq   %rdi, %rsi
        movq    $-1, %rdx
        pushq   $0
        .size   bare_other, .-bare_other
        // falls through

        .globl  bare_rounds
        .hidden bare_rounds
        .type   bare_rounds, @function
bare_rounds:
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        movq    %rdi, %r12
        movq    %rsi, %r13
        movq    %rdx, %rbx
        .p2align 5
1:      movq    %r12, %rdi
        movq    %r13, %rsi
        call    bare_switch             // on all stacks from here, so that its return is predicted
        .globl  bare_back
        .hidden bare_back
bare_back:
        decq    %rbx
        jnz     1b
        popq    %r13
        popq    %r12
        popq    %rbx
        ret
        .size   bare_rounds, .-bare_rounds

        .section .note.GNU-stack, "", @progbits

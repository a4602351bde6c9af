// void sennit_test_with_registers(void (*fn)(void*) rdi, void* argument rsi, const uint64_t* in rdx, uint64_t* out rcx);
#include "object_format.h"

        .text
        .globl  NAME(sennit_test_with_registers)
        FUNCTION(sennit_test_with_registers)
NAME(sennit_test_with_registers):
        .cfi_startproc
        .irp reg, rbx, rbp, r12, r13, r14, r15, rcx
        pushq   %\reg
        .cfi_adjust_cfa_offset 8
        .endr
        .cfi_rel_offset %rbx, 48
        .cfi_rel_offset %rbp, 40
        .cfi_rel_offset %r12, 32
        .cfi_rel_offset %r13, 24
        .cfi_rel_offset %r14, 16
        .cfi_rel_offset %r15, 8
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    0(%rdx), %rbx
        movq    8(%rdx), %rbp
        movq    16(%rdx), %r12
        movq    24(%rdx), %r13
        movq    32(%rdx), %r14
        movq    40(%rdx), %r15
        call    *%rax
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        movq    %rbx, 0(%rcx)
        movq    %rbp, 8(%rcx)
        movq    %r12, 16(%rcx)
        movq    %r13, 24(%rcx)
        movq    %r14, 32(%rcx)
        movq    %r15, 40(%rcx)
        .irp reg, r15, r14, r13, r12, rbp, rbx
        popq    %\reg
        .cfi_adjust_cfa_offset -8
        .cfi_restore %\reg
        .endr
        ret
        .cfi_endproc
        END(sennit_test_with_registers)

#pragma once
// The bare assembly loop of switches, which the microbenchmark of the switch uses too.
#include <array>
#include <cstdint>
#include <memory>

#if defined(SENNIT_BARE_SWITCH)
extern "C" void bare_rounds(void** from, void** to, std::uint64_t rounds);
extern "C" void bare_other();

/// Two stacks that switch to each other.
class two_stacks {
 public:
  two_stacks() {
    std::uint64_t* word = stack_->data() + stack_->size() - 2;
    *word = reinterpret_cast<std::uintptr_t>(&bare_other);
    for (int saved = 0; saved < 6; ++saved) *--word = 0;
#if defined(SENNIT_FP_ENV)
    std::uint16_t x87 = 0;
    asm volatile("fnstcw %0" : "=m"(x87));
    *--word = std::uint64_t{x87} << 32 | without_exception_flags();
#endif
    other_ = word;
  }

  /// `count` times there and back.
  void rounds(std::uint64_t count) {
    __builtin_ia32_ldmxcsr(without_exception_flags());
    bare_rounds(&mine_, &other_, count);
  }

 private:
  /// To load an MXCSR that differs in anything is slow on some cores: both stacks have the same.
  static unsigned without_exception_flags() { return __builtin_ia32_stmxcsr() & ~0x3fU; }

  struct alignas(64) words : std::array<std::uint64_t, 8192> {};
  std::unique_ptr<words> stack_ = std::make_unique<words>();
  void* mine_ = nullptr;
  void* other_ = nullptr;
};
#endif

#pragma once
// The bare assembly loop of switches, which the microbenchmark of the switch uses too.
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#if defined(SENNIT_BARE_SWITCH)
extern "C" void bare_rounds(void** from, void** to, std::uint64_t rounds);
extern "C" void bare_other();
extern "C" void bare_back();

/// To load an MXCSR that differs in anything is slow on some cores: all stacks have the same.
inline unsigned without_exception_flags() { return __builtin_ia32_stmxcsr() & ~0x3fU; }

/// The control words below a stack's first frame.
inline std::uint64_t* put_fp_env(std::uint64_t* word) {
#if defined(SENNIT_FP_ENV)
  std::uint16_t x87 = 0;
  asm volatile("fnstcw %0" : "=m"(x87));
  *--word = std::uint64_t{x87} << 32 | without_exception_flags();
#endif
  return word;
}

/// Two stacks that switch to each other.
class two_stacks {
 public:
  two_stacks() {
    std::uint64_t* word = stack_->data() + stack_->size() - 2;
    *word = reinterpret_cast<std::uintptr_t>(&bare_other);
    for (int saved = 0; saved < 6; ++saved) *--word = 0;
    other_ = put_fp_env(word);
  }

  /// `count` times there and back.
  void rounds(std::uint64_t count) {
    __builtin_ia32_ldmxcsr(without_exception_flags());
    bare_rounds(&mine_, &other_, count);
  }

 private:
  struct alignas(64) words : std::array<std::uint64_t, 8192> {};
  std::unique_ptr<words> stack_ = std::make_unique<words>();
  void* mine_ = nullptr;
  void* other_ = nullptr;
};

/// Many stacks, a page of memory each and 68 KiB apart, of which each switches to the next.
class ring_of_stacks {
 public:
  explicit ring_of_stacks(std::size_t count) : sp_(count) {
    memory_ =
        ::mmap(nullptr, count * apart, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    ::madvise(memory_, count * apart, MADV_NOHUGEPAGE);
    for (std::size_t i = 1; i < count; ++i) {  // the first is the caller's
      auto* const end =
          reinterpret_cast<std::uint64_t*>(static_cast<std::byte*>(memory_) + (i + 1) * apart - i % 16 * 64);
      std::uint64_t* word = end - 8;
      *--word = reinterpret_cast<std::uintptr_t>(&bare_back);
      *--word = 0;                                                        // rbp
      *--word = ~std::uint64_t{0};                                        // rbx
      for (int saved = 0; saved < 2; ++saved) *--word = 0;                // r15, r14
      *--word = reinterpret_cast<std::uintptr_t>(&sp_[(i + 1) % count]);  // r13
      *--word = reinterpret_cast<std::uintptr_t>(&sp_[i]);                // r12
      sp_[i] = put_fp_env(word);
    }
  }
  ring_of_stacks(const ring_of_stacks&) = delete;
  ring_of_stacks& operator=(const ring_of_stacks&) = delete;
  ~ring_of_stacks() { ::munmap(memory_, sp_.size() * apart); }

  /// `count` times around.
  void rounds(std::uint64_t count) {
    __builtin_ia32_ldmxcsr(without_exception_flags());
    bare_rounds(&sp_[0], &sp_[1], count);
  }

 private:
  static constexpr std::size_t apart = std::size_t{68} << 10;
  std::vector<void*> sp_;
  void* memory_;
};
#endif

// The conformance suite of context.hpp, third part: floating-point control words. Built where SENNIT_FP_ENV is on.
#include <gtest/gtest.h>

#include <cfenv>
#include <cstdint>

#include "context/harness.hpp"

namespace sennit::detail::test {
namespace {

/// 1/3 as the current rounding mode has it. The compiler knows nothing of modes: opaque() also keeps it from moving the
/// division to where another mode holds.
template <class T = double>
T third() {
  return opaque(opaque(T{1}) / opaque(T{3}));
}

/// Half of the smallest normal number: zero if subnormals are flushed.
double tiny_half() { return opaque(opaque(2.2250738585072014e-308) * opaque(0.5)); }

class ContextFpEnv : public testing::Test {
 protected:
  void TearDown() override { std::fesetround(FE_TONEAREST); }

  double rounded(int mode) {
    std::fesetround(mode);
    const double value = third();
    std::fesetround(FE_TONEAREST);
    return value;
  }
  const double down_ = rounded(FE_DOWNWARD);
  const double up_ = rounded(FE_UPWARD);
};

TEST_F(ContextFpEnv, RoundingModeIsTheContextsOwn) {
  ASSERT_LT(down_, up_);
  coroutine other([&](coroutine& self) {
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
    std::fesetround(FE_UPWARD);
    for (int i = 0; i < 3; ++i) {
      self.suspend();
      EXPECT_EQ(std::fegetround(), FE_UPWARD);
      EXPECT_EQ(third(), up_);
    }
    std::fesetround(FE_TOWARDZERO);
  });
  other.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  std::fesetround(FE_DOWNWARD);
  while (!other.done()) {
    other.resume();
    EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
    EXPECT_EQ(third(), down_);
  }
}

TEST_F(ContextFpEnv, ANewContextStartsWithTheGivenEnvironment) {
  std::fesetround(FE_UPWARD);
  const fp_env upward = current_fp_env();
  std::fesetround(FE_DOWNWARD);
  coroutine other([&](coroutine& self) {
    EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
    self.suspend();
    std::fesetround(FE_TOWARDZERO);
  });
  std::fesetround(FE_TONEAREST);  // between make_context and the first switch
  other.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  other.resume();
  EXPECT_TRUE(other.done());

  other.restart(
      [&](coroutine&) {
        EXPECT_EQ(std::fegetround(), FE_UPWARD);
        EXPECT_EQ(third(), up_);
      },
      upward);
  other.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

#if defined(__x86_64__)
std::uint16_t x87_control_word() {
  std::uint16_t word;
  asm volatile("fnstcw %0" : "=m"(word));
  return word;
}
void set_x87_control_word(std::uint16_t word) { asm volatile("fldcw %0" ::"m"(word)); }

TEST_F(ContextFpEnv, X87ControlWordIsTheContextsOwn) {
  // Only this word: fesetround() writes MXCSR as well, and the two are compared and loaded apart.
  constexpr std::uint16_t single_precision = 0x007f;
  const std::uint16_t usual = x87_control_word();
  ASSERT_NE(usual, single_precision);
  const auto extended = third<long double>();
  coroutine other([&](coroutine& self) {
    EXPECT_EQ(x87_control_word(), usual);
    set_x87_control_word(single_precision);
    self.suspend();
    EXPECT_EQ(x87_control_word(), single_precision);
    EXPECT_NE(third<long double>(), extended);
    set_x87_control_word(usual);
  });
  other.resume();
  EXPECT_EQ(x87_control_word(), usual);
  EXPECT_EQ(third<long double>(), extended);
  other.resume();
  EXPECT_EQ(x87_control_word(), usual);
  EXPECT_TRUE(other.done());
}

TEST_F(ContextFpEnv, MxcsrIsTheContextsOwn) {
  constexpr unsigned int flush_to_zero = 1U << 15;
  ASSERT_NE(tiny_half(), 0);
  coroutine other([&](coroutine& self) {
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | flush_to_zero);
    self.suspend();
    EXPECT_EQ(tiny_half(), 0);
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() & ~flush_to_zero);
  });
  other.resume();
  EXPECT_NE(tiny_half(), 0);
  other.resume();
  EXPECT_TRUE(other.done());
}
#elif defined(__aarch64__)
std::uint64_t fpcr() {
  std::uint64_t word;
  asm volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}
void set_fpcr(std::uint64_t word) { asm volatile("msr fpcr, %0" ::"r"(word)); }

TEST_F(ContextFpEnv, FpcrIsTheContextsOwn) {
  constexpr std::uint64_t flush_to_zero = 1U << 24;
  const std::uint64_t usual = fpcr();
  ASSERT_NE(tiny_half(), 0);
  coroutine other([&](coroutine& self) {
    EXPECT_EQ(fpcr(), usual);
    set_fpcr(usual | flush_to_zero);
    self.suspend();
    EXPECT_EQ(fpcr(), usual | flush_to_zero);
    EXPECT_EQ(tiny_half(), 0);
    set_fpcr(usual);
  });
  other.resume();
  EXPECT_EQ(fpcr(), usual);
  EXPECT_NE(tiny_half(), 0);
  other.resume();
  EXPECT_EQ(fpcr(), usual);
  EXPECT_TRUE(other.done());
}
#endif

}  // namespace
}  // namespace sennit::detail::test

#pragma once
// Computations that nobody has to wait for.
#include <chrono>
#include <functional>
#include <type_traits>
#include <utility>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {
namespace detail {

/// While it lives, its fiber may be switched out by a signal. On the stack of that fiber, and its alone.
class preempt_region {
 public:
  /// `code`: somewhere in the module that computes.
  SENNIT_API preempt_region(std::chrono::nanoseconds slice, const void* code) noexcept;
  SENNIT_API ~preempt_region();
  preempt_region(const preempt_region&) = delete;
  preempt_region& operator=(const preempt_region&) = delete;

 private:
  friend class worker;
  const void* module_ = nullptr;
  bool entered_ = false;
};

}  // namespace detail

/// Runs f and returns what it returns. Whenever it has run for `slice`, other fibers get their turn, and it goes on
/// later on the same worker: a signal interrupts it, at any instruction.
///
/// So f is pure computation. What another fiber of this thread may find half done must not be touched: no allocation,
/// no lock, no I/O, no thread_local or static object that changes, nothing of sennit. A wait or yield in it is a CHECK;
/// of the rest nothing is checked, but a signal that comes while code of another module runs (malloc of libc, a shared
/// sennit) does nothing, nor one that comes while an exception is on its way, and the next attempt is made a
/// millisecond later. What f computes with is kept: all registers, the floating-point environment, errno. It needs 16
/// KiB of stack more than without.
///
/// The time is looked at once a millisecond; by a runtime of one worker, for the first slice, after half its
/// stall_threshold. A preemption costs some microseconds. In a region inside of another one, on a plain thread, in a
/// stop_callback, under ThreadSanitizer, which keeps signals for later, and where a handler cannot find out whose code
/// it interrupted (macOS, glibc before 2.35), it is as if f had been called. SIGVTALRM is used for it, and handed on
/// where it comes from elsewhere. Any thread or fiber.
template <class F>
std::invoke_result_t<F> preemptible(F&& f, std::chrono::nanoseconds slice = std::chrono::milliseconds(10)) {
  static constexpr auto here = [] {};
  const detail::preempt_region region(slice, reinterpret_cast<const void*>(+here));
  return std::invoke(std::forward<F>(f));
}

}  // namespace sennit::inline v0

#pragma once
// The one atomic type of the project. Two differences from std::atomic: no operation has a default order, so that
// every line of code says which one it needs; and in lanes built with SENNIT_JITTER each operation is a point where the
// test harness may delay the thread, so that rare interleavings become common.
#include <atomic>
#include <cstdint>

namespace sennit::inline v0::detail {

#if defined(SENNIT_JITTER)
/// Delays the calling thread now and then, from a per-thread seeded generator (runtime/base/jitter.cpp).
void jitter_point() noexcept;
#else
inline void jitter_point() noexcept {}
#endif

using order = std::memory_order;
inline constexpr order relaxed = std::memory_order_relaxed;
inline constexpr order acquire = std::memory_order_acquire;
inline constexpr order release = std::memory_order_release;
inline constexpr order acq_rel = std::memory_order_acq_rel;
inline constexpr order seq_cst = std::memory_order_seq_cst;

template <class T>
class atomic {
 public:
  constexpr atomic() noexcept : value_{} {}
  constexpr explicit atomic(T value) noexcept : value_{value} {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(order o) const noexcept {
    jitter_point();
    return value_.load(o);
  }
  void store(T value, order o) noexcept {
    jitter_point();
    value_.store(value, o);
    jitter_point();
  }
  T exchange(T value, order o) noexcept {
    jitter_point();
    return value_.exchange(value, o);
  }
  bool compare_exchange_strong(T& expected, T desired, order success, order failure) noexcept {
    jitter_point();
    return value_.compare_exchange_strong(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, order success, order failure) noexcept {
    jitter_point();
    return value_.compare_exchange_weak(expected, desired, success, failure);
  }
  T fetch_add(T delta, order o) noexcept {
    jitter_point();
    return value_.fetch_add(delta, o);
  }
  T fetch_sub(T delta, order o) noexcept {
    jitter_point();
    return value_.fetch_sub(delta, o);
  }
  T fetch_or(T bits, order o) noexcept {
    jitter_point();
    return value_.fetch_or(bits, o);
  }
  T fetch_and(T bits, order o) noexcept {
    jitter_point();
    return value_.fetch_and(bits, o);
  }
  /// Plain address, for futex(2) only.
  [[nodiscard]] const void* address() const noexcept { return &value_; }

 private:
  std::atomic<T> value_;
};

}  // namespace sennit::inline v0::detail

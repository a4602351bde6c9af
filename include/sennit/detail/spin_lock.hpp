#pragma once
// A lock for sections of a few instructions. It may stay locked across one context switch: the fiber that parks under
// it leaves it to its post-switch hook to unlock, so that nobody can wake the fiber before its registers are saved.
#include <sennit/detail/atomic.hpp>
#include <sennit/detail/config.hpp>
#include <sennit/detail/thread_annotations.hpp>

namespace sennit::inline v0::detail {

class SENNIT_CAPABILITY("spin_lock") spin_lock {
 public:
  constexpr spin_lock() noexcept = default;

  void lock() noexcept SENNIT_ACQUIRE() {
    if (word_.exchange(1, acquire) != 0) lock_slow();  // mm:spin-lock
  }
  bool try_lock() noexcept SENNIT_TRY_ACQUIRE(true) {
    return word_.load(relaxed) == 0 && word_.exchange(1, acquire) == 0;  // mm:spin-lock
  }
  void unlock() noexcept SENNIT_RELEASE() { word_.store(0, release); }  // mm:spin-lock

 private:
  SENNIT_API void lock_slow() noexcept;  // spins, then yields the thread: the holder may have been preempted

  atomic<std::uint32_t> word_{0};
};

class SENNIT_SCOPED_CAPABILITY spin_guard {
 public:
  explicit spin_guard(spin_lock& lock) noexcept SENNIT_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~spin_guard() SENNIT_RELEASE() { lock_.unlock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

 private:
  spin_lock& lock_;
};

}  // namespace sennit::inline v0::detail

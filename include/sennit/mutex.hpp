#pragma once
#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {

namespace detail {
class wait_target;
}

/// std::mutex for fibers and plain threads: parks a fiber, blocks a thread. Constant initialised. Meets Lockable.
/// Locking never observes a stop. Barging is allowed, but a waiter that was passed over 3 times is handed the mutex.
/// CHECKs: unlock by a non-owner, recursive lock, destruction while locked.
class SENNIT_CAPABILITY("mutex") mutex {
 public:
  constexpr mutex() noexcept = default;
  SENNIT_API ~mutex();
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  SENNIT_API void lock() noexcept SENNIT_ACQUIRE();
  [[nodiscard]] SENNIT_API bool try_lock() noexcept SENNIT_TRY_ACQUIRE(true);
  SENNIT_API void unlock() noexcept SENNIT_RELEASE();

 private:
  friend class condition_variable;
  friend class timed_mutex;
  friend class recursive_timed_mutex;
  friend class detail::wait_target;

  /// False if the deadline or the stop came first.
  [[nodiscard]] SENNIT_API bool lock_before(detail::wait_bound until) noexcept SENNIT_TRY_ACQUIRE(true);
  /// Whether the calling fiber or thread holds it.
  [[nodiscard]] SENNIT_API bool is_mine() const noexcept;
  /// The fiber or thread that holds it, at some moment.
  [[nodiscard]] const detail::waiter* owner() const noexcept;
  /// For the caller, who knows already who he is.
  void lock_as(detail::waiter& self) noexcept SENNIT_ACQUIRE();
  void unlock_as(detail::waiter& self) noexcept SENNIT_RELEASE();
  bool lock_slow(detail::waiter& self, detail::wait_bound until) noexcept;
  void unlock_slow(detail::waiter& self) noexcept;

  detail::atomic<std::uintptr_t> word_{0};  // who holds it, and whether others wait
  detail::wait_queue waiters_;
};

}  // namespace sennit::inline v0

#pragma once
#include <cstddef>
#include <cstdint>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0::detail {

enum class wait_kind : std::uint8_t;  // what a park waits for (runtime/fiber/fiber_block.hpp)

/// A count that somebody waits for to become zero: what wait_group and latch have in common. Any fiber or thread.
class countdown {
 public:
  constexpr explicit countdown(std::size_t n = 0) noexcept : count_(n) {}
  countdown(const countdown&) = delete;
  countdown& operator=(const countdown&) = delete;

  /// False, and nothing changed, if the count would overflow.
  [[nodiscard]] SENNIT_API bool up(std::size_t n) noexcept;
  /// Wakes all waiters at zero. Whoever waited may destroy this as soon as its wait returns. False, and nothing
  /// changed, below zero.
  [[nodiscard]] SENNIT_API bool down(std::size_t n) noexcept;
  [[nodiscard]] SENNIT_API std::size_t count() const noexcept;
  /// False if the deadline came first. Throws on a stop.
  SENNIT_API bool wait(wait_bound until, wait_kind kind, const void* object);

 private:
  std::size_t count_ SENNIT_GUARDED_BY(waiters_.lock);
  mutable wait_queue waiters_;
};

}  // namespace sennit::inline v0::detail

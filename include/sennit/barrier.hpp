#pragma once
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {
namespace detail {

/// A barrier without its completion function.
class barrier_core {
 public:
  /// CHECK: 0 <= expected <= max.
  SENNIT_API explicit barrier_core(std::ptrdiff_t expected) noexcept;
  barrier_core(const barrier_core&) = delete;
  barrier_core& operator=(const barrier_core&) = delete;

  /// The phase that the caller arrives at. `last` is set if the caller completes it: then it calls next_phase().
  SENNIT_API std::size_t arrive(std::ptrdiff_t n, std::ptrdiff_t drop, bool& last) noexcept;
  SENNIT_API void next_phase() noexcept;
  SENNIT_API bool wait(std::size_t phase, wait_bound until);  // false if the deadline came first

 private:
  std::ptrdiff_t expected_ SENNIT_GUARDED_BY(waiters_.lock);
  std::ptrdiff_t missing_ SENNIT_GUARDED_BY(waiters_.lock);
  std::size_t phase_ SENNIT_GUARDED_BY(waiters_.lock) = 0;
  wait_queue waiters_;
};

struct no_completion {
  void operator()() const noexcept {}
};

}  // namespace detail

/// std::barrier: between fibers, plain threads and both. The completion function runs once per phase, on the last to
/// arrive, before anybody goes on. A wait that a stop ended leaves its arrival counted. CHECKs: more arrivals
/// than expected in a phase, a token of a phase long past.
template <class Completion = detail::no_completion>
class barrier {
  static_assert(std::is_nothrow_invocable_v<Completion&>, "the completion function of a barrier must be noexcept");

 public:
  /// Says that its owner has arrived, until it is waited for.
  class arrival_token {
   public:
    arrival_token(arrival_token&&) noexcept = default;
    arrival_token& operator=(arrival_token&&) noexcept = default;

   private:
    friend barrier;
    explicit arrival_token(std::size_t phase) noexcept : phase_(phase) {}
    std::size_t phase_;
  };

  explicit barrier(std::ptrdiff_t expected, Completion f = Completion()) : core_(expected), completion_(std::move(f)) {}
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  static constexpr std::ptrdiff_t max() noexcept { return std::numeric_limits<std::ptrdiff_t>::max(); }

  /// Does not wait.
  [[nodiscard]] arrival_token arrive(std::ptrdiff_t n = 1) noexcept { return arrival_token(count(n, 0)); }
  /// Parks until the phase of `token` is complete. Ambient cancellation point; throws std::system_error
  /// (operation_canceled) on that stop or on that of `stop`.
  void wait(arrival_token&& token, const stop_token& stop = {}) { core_.wait(token.phase_, {.stop = &stop}); }
  void arrive_and_wait(const stop_token& stop = {}) { core_.wait(count(1, 0), {.stop = &stop}); }
  /// False if the deadline came first: the arrival stays counted, and the token can be waited for again.
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(const arrival_token& token, const std::chrono::time_point<Clock, Duration>& t,
                                const stop_token& stop = {}) {
    return core_.wait(token.phase_, {detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const arrival_token& token, const std::chrono::duration<Rep, Period>& d,
                              const stop_token& stop = {}) {
    return core_.wait(token.phase_, {detail::deadline_in(d), &stop});
  }
  /// Arrives, and is not expected in later phases.
  void arrive_and_drop() noexcept { count(1, 1); }

 private:
  std::size_t count(std::ptrdiff_t n, std::ptrdiff_t drop) noexcept {
    bool last = false;
    const std::size_t phase = core_.arrive(n, drop, last);
    if (last) {
      completion_();
      core_.next_phase();
    }
    return phase;
  }

  detail::barrier_core core_;
  [[no_unique_address]] Completion completion_;
};

}  // namespace sennit::inline v0

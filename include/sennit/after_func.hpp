#pragma once
// Go's time.AfterFunc: a call that is made later, unless it is stopped before.
#include <chrono>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/timer.hpp>

namespace sennit::inline v0 {
namespace detail {

/// What the handle of a call shares with the fiber that waits for its time and makes it, again and again.
class call_core {
 public:
  explicit call_core(nanos deadline) noexcept { timer_.reset_at(time_of(deadline)); }

  /// The fiber: true when a call is to be made, false when there will be none.
  [[nodiscard]] SENNIT_API bool next_call(const stop_token& stop) noexcept;
  /// Any fiber or thread. Throws operation_not_permitted if the fiber makes no more calls.
  SENNIT_API bool arm(nanos deadline);
  bool disarm() noexcept { return timer_.stop(); }
  [[nodiscard]] bool armed() const noexcept { return timer_.active(); }
  /// From now on nobody arms it: the fiber ends when it has made the call that is to come, if one is.
  void abandon() noexcept { abandoned_.set(); }

 private:
  timer timer_;
  event abandoned_;
  event over_;
};

/// An exception of f ends the program where it is thrown, as in a detached fiber.
template <class F>
void call_uncaught(F& f) noexcept {
  std::invoke(f);
}

struct call_access;

}  // namespace detail

/// Handle of a call that after_func() has scheduled. It owns the call as fiber owns what it runs: the destructor stops
/// it, and waits for one that is being made, after a request to its this_fiber::get_stop_token(); so the call may refer
/// to whatever outlives the handle. (A call that destroys its own handle is not waited for.) detach() is Go's way.
/// Move-only. stop(), reset() and active() may be used by several at once: fibers of any runtime, plain threads, the
/// call itself. The rest by one, alone.
class [[nodiscard]] scheduled_call {
 public:
  scheduled_call() noexcept = default;
  scheduled_call(scheduled_call&& other) noexcept = default;
  scheduled_call& operator=(scheduled_call&& other) noexcept {
    scheduled_call(std::move(other)).swap(*this);
    return *this;
  }
  ~scheduled_call() {
    if (core_ != nullptr) end();
  }

  /// True if that prevented a call; false if it is made or being made, or was stopped before. Waits for nobody.
  bool stop() noexcept { return core_ != nullptr && core_->disarm(); }
  /// The call comes `d` from now. True if one was to come, which moves; false if there is one more. Calls of one handle
  /// do not overlap: when the time comes while the last one is being made, the next begins after it. Throws
  /// std::system_error: operation_not_permitted after the shutdown of the runtime, invalid_argument for a handle of
  /// nothing.
  template <class Rep, class Period>
  bool reset(const std::chrono::duration<Rep, Period>& d) {
    return core().arm(detail::deadline_in(d));
  }
  template <class Clock, class Duration>
  bool reset_at(const std::chrono::time_point<Clock, Duration>& t) {
    return core().arm(detail::deadline_at(t));
  }
  /// True if a call is to come.
  [[nodiscard]] bool active() const noexcept { return core_ != nullptr && core_->armed(); }

  /// Leaves the call that is to come, if one is, to itself: it then cannot be stopped. Throws
  /// std::system_error(invalid_argument) for a handle of nothing.
  SENNIT_API void detach();

  void swap(scheduled_call& other) noexcept {
    core_.swap(other.core_);
    runner_.swap(other.runner_);
  }
  friend void swap(scheduled_call& a, scheduled_call& b) noexcept { a.swap(b); }

 private:
  friend struct detail::call_access;

  [[nodiscard]] SENNIT_API detail::call_core& core() const;
  SENNIT_API void end() noexcept;

  std::shared_ptr<detail::call_core> core_;
  fiber runner_;
};

namespace detail {

struct call_access {
  template <class F>
  static scheduled_call schedule(attributes attrs, nanos deadline, F&& f) {
    scheduled_call made;
    made.core_ = std::make_shared<call_core>(deadline);
    try {
      made.runner_ =
          fiber(attrs, [core = made.core_, fn = std::decay_t<F>(std::forward<F>(f))](const stop_token& stop) mutable {
            while (core->next_call(stop)) call_uncaught(fn);
          });
    } catch (...) {
      made.core_.reset();
      throw;
    }
    return made;
  }
};

}  // namespace detail

/// Calls f() after `d`, in a fiber of its own of the caller's runtime, which waits from now on: it has a stack already
/// (5 KiB in all), and a call that is due needs nothing that could fail. An ambient stop of the runtime ends it without
/// the call. An exception of f terminates, as in a detached fiber. Errors as fiber's constructor.
/// A call that is to arm itself again must not come before its handle is there: after_func(hours::max(), f), then
/// reset().
template <class Rep, class Period, class F>
  requires std::is_invocable_v<std::decay_t<F>&>
scheduled_call after_func(const std::chrono::duration<Rep, Period>& d, F&& f,
                          std::source_location where = std::source_location::current()) {
  return detail::call_access::schedule({.name = "after_func", .where = where}, detail::deadline_in(d),
                                       std::forward<F>(f));
}
/// The same with attributes.
template <class Rep, class Period, class F>
  requires std::is_invocable_v<std::decay_t<F>&>
scheduled_call after_func(attributes attrs, const std::chrono::duration<Rep, Period>& d, F&& f) {
  return detail::call_access::schedule(attrs, detail::deadline_in(d), std::forward<F>(f));
}

}  // namespace sennit::inline v0

#pragma once
// Go's select over everything that can be waited for: exactly one case fires.
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/detail/select_case.hpp>
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/future.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/tcp.hpp>
#include <sennit/timer.hpp>

namespace sennit::inline v0 {
namespace detail {

/// Reaches the cores of the primitives.
struct select_access {
  template <class T>
  static channel_core& core(channel<T>& ch) noexcept {
    return ch.core_;
  }
  template <std::ptrdiff_t Max>
  static semaphore_core& core(counting_semaphore<Max>& s) noexcept {
    return s.core_;
  }
  static timer_core& core(timer& t) noexcept { return t.core_; }
  static timer_core& core(ticker& t) noexcept { return t.core_; }
  static fiber_block* block(const fiber& f) noexcept { return f.block_; }
  template <class Stream>
  static io_slot* slot(const Stream& s) noexcept {
    return s.handle_.slot();
  }
};

/// A case whose handler takes no argument.
template <class Case, class F>
class case_with final : public Case {
  static_assert(std::is_invocable_v<F&>, "the handler of this case takes no argument");

 public:
  template <class... Args>
  explicit case_with(F&& f, Args&&... args) : Case(std::forward<Args>(args)...), handler_(std::forward<F>(f)) {}
  void run() override { std::invoke(handler_); }

 private:
  F handler_;
};

template <class T, class F>
class receive_case final : public channel_case {
  static_assert(std::is_invocable_v<F&, std::optional<T>>,
                "the handler of on_receive takes a std::optional of the channel's type: no value means closed");

 public:
  receive_case(channel<T>& ch, F&& f) : channel_case(select_access::core(ch), false), handler_(std::forward<F>(f)) {}
  void run() override {
    std::optional<T> message;
    if (!closed()) {
      T* const at = std::launder(reinterpret_cast<T*>(raw_));
      message.emplace(std::move(*at));
      at->~T();
    }
    std::invoke(handler_, std::move(message));
  }

 private:
  void* slot() noexcept override { return raw_; }

  F handler_;
  alignas(T) std::byte raw_[sizeof(T)];
};

template <class T, class F>
class send_case final : public channel_case {
  static_assert(std::is_invocable_v<F&>, "the handler of on_send takes no argument");

 public:
  send_case(channel<T>& ch, T&& value, F&& f)
      : channel_case(select_access::core(ch), true), handler_(std::forward<F>(f)) {
    ::new (static_cast<void*>(raw_)) T(std::move(value));
  }
  send_case(send_case&& other) noexcept
      : channel_case(other), handler_(std::move(other.handler_)), full_(std::exchange(other.full_, false)) {
    if (!full_) return;
    ::new (static_cast<void*>(raw_)) T(std::move(*other.message()));
    other.message()->~T();
  }
  ~send_case() override {
    if (full_) message()->~T();
  }
  void run() override {
    if (closed()) throw_if(std::make_error_code(std::errc::broken_pipe), "send on a closed channel");
    full_ = false;
    std::invoke(handler_);
  }

 private:
  void* slot() noexcept override { return full_ ? raw_ : nullptr; }
  T* message() noexcept { return std::launder(reinterpret_cast<T*>(raw_)); }

  F handler_;
  bool full_ = true;
  alignas(T) std::byte raw_[sizeof(T)];
};

template <class F>
class joining_case final : public join_case {
 public:
  joining_case(fiber& f, F&& handler)
      : join_case(select_access::block(f)), fiber_(&f), handler_(std::forward<F>(handler)) {}
  void run() override {
    fiber_->join();
    std::invoke(handler_);
  }

 private:
  fiber* fiber_;
  F handler_;
};

template <class F>
class tick_case final : public timer_case {
  static constexpr bool told = std::is_invocable_v<F&, std::chrono::steady_clock::time_point>;
  static_assert(told || std::is_invocable_v<F&>,
                "the handler of on_tick takes no argument, or the time_point of steady_clock that the tick was due at");

 public:
  tick_case(timer_core& t, F&& f) : timer_case(t), handler_(std::forward<F>(f)) {}
  void run() override {
    if constexpr (told) {
      std::invoke(handler_, time_of(due()));
    } else {
      std::invoke(handler_);
    }
  }

 private:
  F handler_;
};

struct no_handler {
  void operator()() const noexcept {}
};

}  // namespace detail

/// The next message of `ch`, or its end: f(std::optional<T>), without a value once the channel is closed and drained.
template <class T, class F>
[[nodiscard]] auto on_receive(channel<T>& ch, F f) {
  return detail::receive_case<T, F>(ch, std::move(f));
}
/// `value` is sent to `ch`, then f(). If the channel is closed, select() throws broken_pipe. A case that did not fire
/// still has its value and may be used again; one that did has nothing left to send (CHECK).
template <class T, class F = detail::no_handler>
[[nodiscard]] auto on_send(channel<T>& ch, std::type_identity_t<T> value, F f = {}) {
  return detail::send_case<T, F>(ch, std::move(value), std::move(f));
}
/// f() once `t` has come. Of several times the earliest counts.
template <class Clock, class Duration, class F>
[[nodiscard]] auto at(const std::chrono::time_point<Clock, Duration>& t, F f) {
  return detail::case_with<detail::time_case, F>(std::move(f), detail::deadline_at(t));
}
/// f() after `d`, counted from this call.
template <class Rep, class Period, class F>
[[nodiscard]] auto after(const std::chrono::duration<Rep, Period>& d, F f) {
  return detail::case_with<detail::time_case, F>(std::move(f), detail::deadline_in(d));
}
/// The tick of `t` is taken, then f(), or f(steady_clock::time_point) with the time that it was due at
/// (time_point::min() for a reset_at() of another clock's past). Follows a reset() that comes meanwhile; a timer that
/// is not active does not fire.
template <class F>
[[nodiscard]] auto on_tick(timer& t, F f) {
  return detail::tick_case<F>(detail::select_access::core(t), std::move(f));
}
template <class F>
[[nodiscard]] auto on_tick(ticker& t, F f) {
  return detail::tick_case<F>(detail::select_access::core(t), std::move(f));
}
/// f() when the token is stopped.
template <class F>
[[nodiscard]] auto on_stop(stop_token token, F f) {
  return detail::case_with<detail::stop_case, F>(std::move(f), std::move(token));
}
/// Joins `target` when it has ended, then f(): select() rethrows what ended it, as join() does.
template <class F>
[[nodiscard]] auto on_join(fiber& target, F f) {
  return detail::joining_case<F>(target, std::move(f));
}
/// f() when the event is set.
template <class F>
[[nodiscard]] auto on_event(event& e, F f) {
  return detail::case_with<detail::event_case, F>(std::move(f), e);
}
/// f() when the future has its result, which get() then returns at once. Throws std::future_error(no_state) for one
/// that is not valid.
template <class T, class F>
[[nodiscard]] auto on_ready(const future<T>& result, F f) {
  return detail::case_with<detail::ready_case, F>(std::move(f), detail::future_access::core(result));
}
template <class T, class F>
[[nodiscard]] auto on_ready(const shared_future<T>& result, F f) {
  return detail::case_with<detail::ready_case, F>(std::move(f), detail::future_access::core(result));
}
/// A permit is taken, then f().
template <std::ptrdiff_t Max, class F>
[[nodiscard]] auto on_acquire(counting_semaphore<Max>& s, F f) {
  return detail::case_with<detail::acquire_case, F>(std::move(f), detail::select_access::core(s));
}
/// f() when the descriptor, which somebody else owns, can be read (or has an end or an error to report); see
/// wait_readable(). It may be closed when select() has returned.
template <class F>
[[nodiscard]] auto on_readable(int fd, F f) {
  return detail::case_with<detail::descriptor_case, F>(std::move(f), fd, nullptr, false);
}
template <class F>
[[nodiscard]] auto on_writable(int fd, F f) {
  return detail::case_with<detail::descriptor_case, F>(std::move(f), fd, nullptr, true);
}
/// The same for a stream or listener of sennit: f() when a read (an accept) has something to return at once, or when it
/// is closed.
template <class Stream, class F>
  requires std::is_class_v<Stream>
[[nodiscard]] auto on_readable(const Stream& s, F f) {
  return detail::case_with<detail::descriptor_case, F>(std::move(f), s.native_handle(), detail::select_access::slot(s),
                                                       false);
}
template <class Stream, class F>
  requires std::is_class_v<Stream>
[[nodiscard]] auto on_writable(const Stream& s, F f) {
  return detail::case_with<detail::descriptor_case, F>(std::move(f), s.native_handle(), detail::select_access::slot(s),
                                                       true);
}
/// f() at once, if no other case can fire.
template <class F>
[[nodiscard]] auto otherwise(F f) {
  return detail::case_with<detail::otherwise_case, F>(std::move(f));
}

/// A case of any kind: for selects whose cases are known at run time only.
class any_case {
 public:
  template <class Case>
    requires std::derived_from<std::remove_cvref_t<Case>, detail::select_case>
  any_case(Case&& c)  // NOLINT(google-explicit-constructor)
      : case_(std::make_unique<std::remove_cvref_t<Case>>(std::forward<Case>(c))) {}
  [[nodiscard]] detail::select_case* get() const noexcept { return case_.get(); }

 private:
  std::unique_ptr<detail::select_case> case_;
};

/// Waits until one of the cases can go on, does that one alone, calls its handler, and returns its index. If several
/// can, one of them is chosen at random, each equally likely. The others leave no trace: no message of theirs is taken
/// or sent. Ambient cancellation point: throws std::system_error(operation_canceled) if it would wait; throws
/// bad_file_descriptor for a descriptor that is none, and what the handler throws. From fibers and plain threads.
/// CHECK: there is a case.
template <class... Cases>
  requires(std::derived_from<std::remove_cvref_t<Cases>, detail::select_case> && ...)
std::size_t select(Cases&&... cases) {
  detail::select_case* const all[sizeof...(cases) + 1] = {&cases..., nullptr};
  const std::size_t fired = detail::select_among(std::span(all, sizeof...(cases)));
  all[fired]->run();
  return fired;
}
/// The same over a range of cases of one type, or of any_case; up to 60 000.
template <std::ranges::forward_range Range>
std::size_t select(Range&& cases) {
  std::vector<detail::select_case*> all;
  for (auto& c : cases) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(c)>, any_case>) {
      all.push_back(c.get());
    } else {
      all.push_back(&c);
    }
  }
  const std::size_t fired = detail::select_among(all);
  all[fired]->run();
  return fired;
}

}  // namespace sennit::inline v0

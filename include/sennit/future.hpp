#pragma once
// promise, future, shared_future and async, as in std.
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <sennit/detail/future_core.hpp>
#include <sennit/fiber.hpp>

namespace sennit::inline v0 {

template <class T>
class future;
template <class T>
class shared_future;

namespace detail {

/// The shared state of a T, a T& or nothing.
template <class T>
class future_state : public future_core {
  static_assert(std::is_void_v<T> || std::is_lvalue_reference_v<T> || (std::is_object_v<T> && !std::is_array_v<T>),
                "a future holds an object, an lvalue reference, or void");

 public:
  /// What a shared_future's get() returns.
  using shared_result =
      std::conditional_t<std::is_void_v<T> || std::is_reference_v<T>, T, std::add_lvalue_reference_t<const T>>;

  /// By who has claimed the right.
  template <class... V>
  void emplace(V&&... value) {
    if constexpr (std::is_reference_v<T>) {
      value_.emplace(std::addressof(value)...);
    } else {
      value_.emplace(std::forward<V>(value)...);
    }
  }
  /// What f() returns or throws.
  template <class F>
  void store_result(F&& f) noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        std::forward<F>(f)();
        emplace();
      } else {
        emplace(std::forward<F>(f)());
      }
    } catch (...) {
      set_error(std::current_exception());
    }
  }

  // After a wait that returned true.

  T take() {
    take_error();
    if constexpr (std::is_reference_v<T>) {
      return **value_;
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*value_);
    }
  }
  shared_result share() const {
    rethrow_error();
    if constexpr (std::is_reference_v<T>) {
      return **value_;
    } else if constexpr (!std::is_void_v<T>) {
      return *value_;
    }
  }
  [[nodiscard]] auto& value() noexcept { return *value_; }

 private:
  using stored = std::conditional_t<std::is_void_v<T>, std::monostate,
                                    std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;
  std::optional<stored> value_;
};

/// What future and shared_future have in common.
template <class T>
class future_base {
 public:
  /// Whether there is a shared state: not after a move, share() or future::get().
  [[nodiscard]] bool valid() const noexcept { return state_.get() != nullptr; }

  /// Parks until the result is there. Ambient cancellation point; throws std::system_error(operation_canceled) on that
  /// stop or on the token's. Throws no_state if not valid.
  void wait(const stop_token& stop = {}) const { wait_before({.stop = &stop}); }
  /// timeout if the deadline came first; never deferred.
  template <class Clock, class Duration>
  std::future_status wait_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) const {
    return wait_before({deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  std::future_status wait_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) const {
    return wait_before({deadline_in(d), &stop});
  }

 protected:
  using state = future_state<T>;

  std::future_status wait_before(wait_bound until) const {
    return state_.checked().wait(until) ? std::future_status::ready : std::future_status::timeout;
  }

  future_base() noexcept = default;
  explicit future_base(future_ptr<state> s) noexcept : state_(std::move(s)) {}
  future_base(const future_base&) = default;
  future_base(future_base&&) noexcept = default;
  future_base& operator=(const future_base&) = default;
  future_base& operator=(future_base&&) noexcept = default;
  ~future_base() = default;

  friend struct future_access;
  future_ptr<state> state_;
};

/// For those who see behind futures: when_all, when_any, promises, waits on several things.
struct future_access {
  template <class T>
  static future<T> make(future_ptr<future_state<T>> state) noexcept {
    return future<T>(std::move(state));
  }
  /// Throws no_state.
  template <class T>
  static future_core& core(const future_base<T>& f) {
    return f.state_.checked();
  }
};

}  // namespace detail

/// std::future between fibers, plain threads and both. One owner at a time; the state behind it may be waited for and
/// made ready from anywhere. The destructor does not wait, not even for async(). Who gets the result may destroy
/// promise and future at once.
template <class T>
class [[nodiscard]] future : public detail::future_base<T> {
 public:
  future() noexcept = default;
  future(const future&) = delete;
  future& operator=(const future&) = delete;
  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;

  /// Waits as wait(), then returns the value, or rethrows the exception, and is no longer valid. If the wait itself is
  /// stopped it stays valid.
  T get(const stop_token& stop = {}) {
    this->wait(stop);
    const auto mine = std::move(this->state_);
    return mine.get()->take();
  }

  /// Hands the state over; then this is no longer valid.
  [[nodiscard]] shared_future<T> share() noexcept { return shared_future<T>(std::move(*this)); }

  void swap(future& other) noexcept { this->state_.swap(other.state_); }
  friend void swap(future& a, future& b) noexcept { a.swap(b); }

 private:
  friend struct detail::future_access;
  using detail::future_base<T>::future_base;
};

/// std::shared_future: the copies share one state, and each may be used by another fiber or thread.
template <class T>
class shared_future : public detail::future_base<T> {
 public:
  shared_future() noexcept = default;
  shared_future(const shared_future&) noexcept = default;
  shared_future(shared_future&&) noexcept = default;
  shared_future(future<T>&& other) noexcept  // NOLINT(google-explicit-constructor): as std's
      : detail::future_base<T>(std::move(other)) {}
  shared_future& operator=(const shared_future&) noexcept = default;
  shared_future& operator=(shared_future&&) noexcept = default;

  /// Waits as wait(), then returns the value (a const reference to it, a T&, or nothing), or rethrows the exception.
  typename detail::future_state<T>::shared_result get(const stop_token& stop = {}) const {
    this->wait(stop);
    return this->state_.get()->share();
  }

  void swap(shared_future& other) noexcept { this->state_.swap(other.state_); }
  friend void swap(shared_future& a, shared_future& b) noexcept { a.swap(b); }
};

namespace detail {

/// The part of a promise that does not depend on how its value is passed.
template <class T>
class promise_base {
 public:
  promise_base() : state_(new state) {}
  promise_base(promise_base&& other) noexcept = default;
  promise_base& operator=(promise_base&& other) noexcept {
    promise_base(std::move(other)).swap(*this);
    return *this;
  }
  /// Unsatisfied: the result is std::future_error(broken_promise).
  ~promise_base() {
    if (state* const s = state_.give_up()) s->abandon();
  }

  /// Once: then future_already_retrieved. no_state after a move.
  [[nodiscard]] future<T> get_future() {
    state_.checked().retrieve();
    return future_access::make(state_);
  }

  /// Stores an exception as the result and wakes who waits. CHECK: not null. Errors as set_value().
  void set_exception(std::exception_ptr error) { store_error(std::move(error)).make_ready(); }
  /// The same, but who waits is told when the calling fiber or thread has ended.
  void set_exception_at_fiber_exit(std::exception_ptr error) { store_error(std::move(error)).make_ready_at_exit(); }

  void swap(promise_base& other) noexcept { state_.swap(other.state_); }

 protected:
  using state = future_state<T>;

  /// The state, with the right to store its result. Throws no_state, promise_already_satisfied.
  state& claimed() {
    state& s = state_.checked();
    s.claim();
    return s;
  }
  state& store_error(std::exception_ptr error) {
    state& s = claimed();
    s.set_error(std::move(error));
    return s;
  }
  template <class... V>
  state& emplace(V&&... value) {
    state& s = claimed();
    try {
      s.emplace(std::forward<V>(value)...);
    } catch (...) {
      s.unclaim();
      throw;
    }
    return s;
  }

  future_ptr<state> state_;
};

}  // namespace detail

/// std::promise: the side that stores the result, once, from any fiber or thread. Move-only. May be destroyed by who
/// got the result though set_value() has not returned yet.
template <class T>
class promise : public detail::promise_base<T> {
 public:
  /// Stores the value and wakes who waits. Throws std::future_error: promise_already_satisfied, no_state after a move;
  /// and what the value's constructor throws, which leaves the promise unsatisfied.
  void set_value(const T& value)
    requires std::copy_constructible<T>
  {
    this->emplace(value).make_ready();
  }
  void set_value(T&& value) { this->emplace(std::move(value)).make_ready(); }
  /// The same, but who waits is told when the calling fiber or thread has ended (std's set_value_at_thread_exit): after
  /// its function and its locals are destroyed.
  void set_value_at_fiber_exit(const T& value)
    requires std::copy_constructible<T>
  {
    this->emplace(value).make_ready_at_exit();
  }
  void set_value_at_fiber_exit(T&& value) { this->emplace(std::move(value)).make_ready_at_exit(); }

  friend void swap(promise& a, promise& b) noexcept { a.swap(b); }
};

/// The same for a reference: only its address is stored.
template <class T>
class promise<T&> : public detail::promise_base<T&> {
 public:
  void set_value(T& value) { this->emplace(value).make_ready(); }
  void set_value_at_fiber_exit(T& value) { this->emplace(value).make_ready_at_exit(); }

  friend void swap(promise& a, promise& b) noexcept { a.swap(b); }
};

/// The same for nothing but the fact.
template <>
class promise<void> : public detail::promise_base<void> {
 public:
  void set_value() { emplace().make_ready(); }
  void set_value_at_fiber_exit() { emplace().make_ready_at_exit(); }

  friend void swap(promise& a, promise& b) noexcept { a.swap(b); }
};

namespace detail {

template <class F, class... Args>
using async_result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;

template <class F, class... Args>
concept async_callable =
    !std::same_as<std::remove_cvref_t<F>, attributes> && std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>;

/// One async: `options` completed with what the state needs.
template <class F, class... Args>
future<async_result<F, Args...>> spawn_async(spawn_options&& options, F&& f, Args&&... args) {
  using result = async_result<F, Args...>;
  using state = future_state<result>;
  future_ptr<state> mine(new state);
  // The fiber's reference is dropped by settle_async(), or at the fiber's end if it never comes to that.
  task work([state = mine.get(), fn = std::decay_t<F>(std::forward<F>(f)),
             bound = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
    state->store_result([&]() -> result {
      return std::apply([&](auto&... a) -> result { return std::invoke(std::move(fn), std::move(a)...); }, bound);
    });
    settle_async(*state);
  });
  options.detached = true;
  options.owner = mine.get();
  future_ptr<state> fibers(mine);
  spawn(std::move(work), std::move(options));
  static_cast<void>(fibers.give_up());
  return future_access::make(std::move(mine));
}

}  // namespace detail

/// Runs f(args...), with decayed copies, as a detached fiber of the caller's runtime; what it returns or throws goes to
/// the future. Unlike std's, the future's destructor does not wait, and there are no launch policies. Errors as fiber's
/// constructor. A fiber for which no stack can be had gives not_enough_memory; one that a shutdown gives up,
/// operation_canceled.
template <class F>
  requires detail::async_callable<F>
[[nodiscard]] auto async(F&& f, std::source_location where = std::source_location::current()) {
  return detail::spawn_async({.attrs = {.where = where}}, std::forward<F>(f));
}
template <class F, class Arg, class... Args>
  requires detail::async_callable<F, Arg, Args...>
[[nodiscard]] auto async(F&& f, Arg&& arg, Args&&... args) {
  return detail::spawn_async({.attrs = {}}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
}
/// The same with attributes.
template <class F, class... Args>
  requires detail::async_callable<F, Args...>
[[nodiscard]] auto async(attributes attrs, F&& f, Args&&... args) {
  return detail::spawn_async({.attrs = attrs}, std::forward<F>(f), std::forward<Args>(args)...);
}

}  // namespace sennit::inline v0

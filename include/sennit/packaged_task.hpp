#pragma once
// packaged_task, as in std.
#include <concepts>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include <sennit/future.hpp>

namespace sennit::inline v0 {

namespace detail {

/// The signature of a function or function object, for packaged_task's deduction.
template <class F>
struct signature_of : signature_of<decltype(&F::operator())> {};
template <class R, class... Args>
struct signature_of<R (*)(Args...)> : std::type_identity<R(Args...)> {};
template <class R, class... Args>
struct signature_of<R (*)(Args...) noexcept> : std::type_identity<R(Args...)> {};
template <class R, class C, class... Args>
struct signature_of<R (C::*)(Args...)> : std::type_identity<R(Args...)> {};
template <class R, class C, class... Args>
struct signature_of<R (C::*)(Args...) const> : std::type_identity<R(Args...)> {};
template <class R, class C, class... Args>
struct signature_of<R (C::*)(Args...) noexcept> : std::type_identity<R(Args...)> {};
template <class R, class C, class... Args>
struct signature_of<R (C::*)(Args...) const noexcept> : std::type_identity<R(Args...)> {};

/// A promise that a task may claim before it knows the result.
template <class R>
class task_promise : public promise_base<R> {
 public:
  using promise_base<R>::claimed;
};

/// A move-only callable behind a pointer, and where its result goes.
template <class R, class... Args>
class callable {
 public:
  virtual ~callable() = default;
  virtual R call(Args... args) = 0;

  task_promise<R> result;
};

template <class F, class R, class... Args>
class callable_of final : public callable<R, Args...> {
 public:
  template <class G>
    requires(!std::same_as<std::remove_cvref_t<G>, callable_of>)
  explicit callable_of(G&& g) : f_(std::forward<G>(g)) {}
  R call(Args... args) override {
    if constexpr (std::is_void_v<R>) {
      std::invoke(f_, std::forward<Args>(args)...);
    } else {
      return std::invoke(f_, std::forward<Args>(args)...);
    }
  }

 private:
  F f_;
};

}  // namespace detail

template <class Signature>
class packaged_task;

/// std::packaged_task: a callable, move-only ones too, whose result goes to a future. Called by one fiber or thread.
template <class R, class... Args>
class packaged_task<R(Args...)> {
 public:
  packaged_task() noexcept = default;
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, packaged_task> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  explicit packaged_task(F&& f)
      : function_(std::make_unique<detail::callable_of<std::decay_t<F>, R, Args...>>(std::forward<F>(f))) {}

  [[nodiscard]] bool valid() const noexcept { return function_ != nullptr; }
  /// Once: then std::future_error(future_already_retrieved); no_state if not valid.
  [[nodiscard]] future<R> get_future() { return result().get_future(); }

  /// Calls the function and stores what it returns or throws. Throws promise_already_satisfied the second time,
  /// no_state if not valid. Who gets the result may destroy the task at once.
  void operator()(Args... args) { call(std::forward<Args>(args)...).make_ready(); }
  /// The same, but who waits is told when the calling fiber or thread has ended (std's make_ready_at_thread_exit).
  void make_ready_at_fiber_exit(Args... args) { call(std::forward<Args>(args)...).make_ready_at_exit(); }
  /// Makes it as new, with the same function; what it owed breaks its promise. no_state if not valid.
  void reset() { result() = {}; }

  void swap(packaged_task& other) noexcept { function_.swap(other.function_); }
  friend void swap(packaged_task& a, packaged_task& b) noexcept { a.swap(b); }

 private:
  detail::task_promise<R>& result() {
    if (!valid()) detail::throw_future_error(std::future_errc::no_state);
    return function_->result;
  }
  detail::future_state<R>& call(Args&&... args) {
    detail::future_state<R>& state = result().claimed();
    state.store_result([&]() -> R { return function_->call(std::forward<Args>(args)...); });
    return state;
  }

  std::unique_ptr<detail::callable<R, Args...>> function_;
};

template <class R, class... Args>
packaged_task(R (*)(Args...)) -> packaged_task<R(Args...)>;
template <class F>
packaged_task(F) -> packaged_task<typename detail::signature_of<F>::type>;

}  // namespace sennit::inline v0

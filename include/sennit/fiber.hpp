#pragma once
// fiber: std::jthread's twin, on the runtime's scheduler in place of a thread of its own.
#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sennit/detail/config.hpp>
#include <sennit/detail/fiber_owner.hpp>
#include <sennit/detail/task.hpp>
#include <sennit/detail/wait_bound.hpp>

namespace sennit::inline v0 {

/// A hint: where a fiber that becomes ready goes in the queue of the worker that readies it. The order of fibers that
/// become ready on several workers is open, and a fiber that yields goes to the end whatever its priority.
enum class priority : std::uint8_t {
  normal,  ///< runs next if a fiber of the same worker spawned or woke it, else at the end of the queue
  high,    ///< runs next whoever spawned or woke it, once the worker learns of it; of several, the last one
  low,     ///< at the end of the queue
};

/// Attributes of a new fiber.
struct attributes {
  /// Shown in logs, dumps and error messages; copied, at most 23 bytes are kept. Empty: "fiber".
  std::string_view name = {};
  /// Usable bytes of stack, rounded up to a slot; 0: options::stack_size of the runtime. Absurd values throw
  /// invalid_argument.
  std::size_t stack_size = 0;
  /// The fiber always runs on the worker that ran it first.
  bool pinned = false;
  /// A hint, without effect on a pinned fiber and under options::force_migrate. Starves nobody: after three fibers that
  /// run next, one from the queue does.
  sennit::priority priority = sennit::priority::normal;
  /// Where the fiber was spawned, for dumps: filled in where these attributes are written.
  std::source_location where = std::source_location::current();
};

namespace detail {
class fiber_block;
class scheduler;
class scope_core;
struct select_access;
template <class Self>
class spawner;

/// Everything a spawn needs but the callable. Neither it nor the attributes are copied on the way down: the copies'
/// wide loads would wait for the narrow stores that have just written them, 20 ns a spawn (Zen 4).
struct spawn_options {
  const attributes& attrs;
  scheduler* home = nullptr;    // null: the caller's runtime
  scope_core* scope = nullptr;  // null: no scope
  bool detached = false;
  stop_source stop{nostopstate};
  fiber_owner* owner = nullptr;  // not with a scope, which is that itself
};

SENNIT_API fiber_block* spawn(task&& work, spawn_options&& options);
SENNIT_API void drop_handle(fiber_block* block) noexcept;
SENNIT_API bool join(fiber_block* block, wait_bound until);
SENNIT_API void join_uninterrupted(fiber_block* block);
SENNIT_API void take_result(fiber_block* block);
SENNIT_API void join_and_check(fiber_block* block) noexcept;
SENNIT_API void sleep(wait_bound until);  // which has not come yet
SENNIT_API void sleep_no_longer(const stop_token& stop);
SENNIT_API stop_source stop_source_of(fiber_block* block);
SENNIT_API bool request_stop(fiber_block* block);
SENNIT_API std::uint64_t id_of(const fiber_block* block) noexcept;

/// Binds f and args as std::jthread does: decayed copies, a leading stop_token if f takes one.
template <class F, class... Args>
task bind_task(stop_source& stop, F&& f, Args&&... args) {
  if constexpr (std::is_invocable_v<std::decay_t<F>, stop_token, std::decay_t<Args>...>) {
    stop = stop_source();
    return task([fn = std::decay_t<F>(std::forward<F>(f)), token = stop.get_token(),
                 bound = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
      std::apply([&](auto&... a) { std::invoke(std::move(fn), std::move(token), std::move(a)...); }, bound);
    });
  } else if constexpr (sizeof...(Args) == 0) {
    return task(std::forward<F>(f));
  } else {
    return task([fn = std::decay_t<F>(std::forward<F>(f)),
                 bound = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
      std::apply([&](auto&... a) { std::invoke(std::move(fn), std::move(a)...); }, bound);
    });
  }
}

template <class F, class... Args>
concept fiber_callable = !std::same_as<std::remove_cvref_t<F>, attributes> &&
                         (std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...> ||
                          std::is_invocable_v<std::decay_t<F>, stop_token, std::decay_t<Args>...>);

/// One spawn of f(args...): `options` completed with what the binding needs.
template <class F, class... Args>
fiber_block* spawn_bound(spawn_options&& options, F&& f, Args&&... args) {
  task work = bind_task(options.stop, std::forward<F>(f), std::forward<Args>(args)...);
  return spawn(std::move(work), std::move(options));
}
}  // namespace detail

/// Handle of a fiber; owns the right to join it. Move-only. The destructor requests stop and joins, as std::jthread's;
/// if the fiber ended with an exception that join() has not rethrown, the destructor terminates with the fiber's name.
/// May be used from fibers of any runtime and from plain threads, one at a time.
class [[nodiscard]] fiber {
 public:
  /// Unique in the process among fibers; a default-constructed id is no fiber.
  class id {
   public:
    constexpr id() noexcept = default;
    constexpr auto operator<=>(const id&) const noexcept = default;
    /// For logs.
    [[nodiscard]] constexpr std::uint64_t value() const noexcept { return value_; }

   private:
    friend class fiber;
    friend struct std::hash<id>;
    friend struct this_fiber_access;
    explicit constexpr id(std::uint64_t value) noexcept : value_(value) {}
    std::uint64_t value_ = 0;
  };

  fiber() noexcept = default;

  /// Starts f(args...) as a fiber of the caller's runtime. Throws std::system_error: operation_not_permitted on a plain
  /// thread (use runtime::spawn) and after shutdown; invalid_argument for a bad stack size; not_enough_memory.
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, fiber> && detail::fiber_callable<F>)
  explicit fiber(F&& f, std::source_location where = std::source_location::current())
      : fiber(attributes{.where = where}, std::forward<F>(f)) {}
  template <class F, class Arg, class... Args>
    requires detail::fiber_callable<F, Arg, Args...>
  fiber(F&& f, Arg&& arg, Args&&... args)
      : fiber(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...) {}

  /// The same with attributes.
  template <class F, class... Args>
    requires detail::fiber_callable<F, Args...>
  fiber(attributes attrs, F&& f, Args&&... args)
      : block_(detail::spawn_bound({.attrs = attrs}, std::forward<F>(f), std::forward<Args>(args)...)) {}

  fiber(fiber&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  fiber& operator=(fiber&& other) noexcept {
    fiber(std::move(other)).swap(*this);
    return *this;
  }
  ~fiber() {
    if (joinable()) {
      request_stop();
      detail::join_and_check(std::exchange(block_, nullptr));
    }
  }

  [[nodiscard]] bool joinable() const noexcept { return block_ != nullptr; }

  /// Waits until the fiber has ended, then rethrows the exception that ended it, if any. Ambient cancellation point.
  /// Throws std::system_error: operation_canceled on that stop or on the token's, when the fiber stays joinable;
  /// invalid_argument if not joinable; resource_deadlock_would_occur for a fiber that joins itself.
  void join(const stop_token& stop = {}) { join_before({.stop = &stop}); }
  /// The same, bounded: false, and still joinable, if the deadline came first.
  template <class Clock, class Duration>
  bool try_join_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return join_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  bool try_join_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return join_before({detail::deadline_in(d), &stop});
  }

  /// Lets the fiber run on its own; an exception that leaves it then terminates, with its name. invalid_argument if not
  /// joinable.
  SENNIT_API void detach();

  /// The fiber's id, or id() if not joinable.
  [[nodiscard]] id get_id() const noexcept { return block_ != nullptr ? id(detail::id_of(block_)) : id(); }

  /// Advisory, as std::jthread's: reaches the waits that were handed the token. Callbacks run in here, on the caller;
  /// they must not wait or yield (CHECK): std's stop state knows who runs them by the thread.
  bool request_stop() { return block_ != nullptr && detail::request_stop(block_); }
  [[nodiscard]] stop_source get_stop_source() const {
    return block_ != nullptr ? detail::stop_source_of(block_) : stop_source(nostopstate);
  }
  [[nodiscard]] stop_token get_stop_token() const { return get_stop_source().get_token(); }

  /// How many workers a runtime has by default: the CPUs that this process may use.
  [[nodiscard]] SENNIT_API static unsigned hardware_concurrency() noexcept;

  void swap(fiber& other) noexcept { std::swap(block_, other.block_); }
  friend void swap(fiber& a, fiber& b) noexcept { a.swap(b); }

 private:
  template <class>
  friend class detail::spawner;
  friend struct detail::select_access;
  explicit fiber(detail::fiber_block* block) noexcept : block_(block) {}
  bool join_before(detail::wait_bound until) {
    if (!detail::join(block_, until)) return false;
    detail::take_result(std::exchange(block_, nullptr));
    return true;
  }

  detail::fiber_block* block_ = nullptr;
};

SENNIT_API std::ostream& operator<<(std::ostream& out, fiber::id i);

/// fiber(...) as a function.
template <class F>
  requires detail::fiber_callable<F>
[[nodiscard]] fiber spawn(F&& f, std::source_location where = std::source_location::current()) {
  return fiber(attributes{.where = where}, std::forward<F>(f));
}
template <class F, class Arg, class... Args>
[[nodiscard]] fiber spawn(F&& f, Arg&& arg, Args&&... args) {
  return fiber(std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
}

/// Starts f(args...) as a detached fiber of the caller's runtime: Go's `go`. Errors as fiber's constructor.
template <class F>
  requires detail::fiber_callable<F>
void go(F&& f, std::source_location where = std::source_location::current()) {
  detail::spawn_bound({.attrs = {.where = where}, .detached = true}, std::forward<F>(f));
}
template <class F, class... Args>
  requires detail::fiber_callable<F, Args...>
void go(attributes attrs, F&& f, Args&&... args) {
  detail::spawn_bound({.attrs = attrs, .detached = true}, std::forward<F>(f), std::forward<Args>(args)...);
}
template <class F, class Arg, class... Args>
  requires detail::fiber_callable<F, Arg, Args...>
void go(F&& f, Arg&& arg, Args&&... args) {
  go(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
}

/// The calling fiber. On a plain thread these do what std::this_thread does.
namespace this_fiber {

/// Lets other ready fibers of this worker run first.
SENNIT_API void yield() noexcept;
/// Yields if the fiber's slice is used up (61 calls), and is an ambient cancellation point: throws operation_canceled.
SENNIT_API void maybe_yield();
/// Parks until `t`. Ambient cancellation point. Throws std::system_error: operation_canceled on that stop or on the
/// token's; deadline_passed when an enclosing scope's deadline comes first. A time that has come yields.
template <class Clock, class Duration>
void sleep_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
  const detail::nanos deadline = detail::deadline_at(t);
  deadline > detail::clock_now() ? detail::sleep({deadline, &stop}) : detail::sleep_no_longer(stop);
}
/// The same for a duration; nanosecond arithmetic, no overflow; zero or less yields.
template <class Rep, class Period>
void sleep_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
  d > d.zero() ? detail::sleep({detail::deadline_in(d), &stop}) : detail::sleep_no_longer(stop);
}
/// Id of the calling fiber; id() on a plain thread.
[[nodiscard]] SENNIT_API fiber::id get_id() noexcept;
/// Name of the calling fiber, valid while it runs; empty on a plain thread.
[[nodiscard]] SENNIT_API std::string_view name() noexcept;
/// The calling fiber's own (advisory) stop token; a token without state on a plain thread.
[[nodiscard]] SENNIT_API stop_token get_stop_token();
/// True if an enclosing scope or the runtime wants this fiber to end (ambient stop).
[[nodiscard]] SENNIT_API bool stop_requested() noexcept;

}  // namespace this_fiber

/// While it lives the calling fiber stays on its current worker: for code that holds on to thread_locals over a switch.
/// Nests. Does nothing on a plain thread.
class [[nodiscard]] pin_guard {
 public:
  SENNIT_API pin_guard() noexcept;
  SENNIT_API ~pin_guard();
  pin_guard(const pin_guard&) = delete;
  pin_guard& operator=(const pin_guard&) = delete;
};

/// While it lives, ambient stop and ambient deadlines do not reach the calling fiber's waits: for cleanup that must do
/// I/O. Nests.
class [[nodiscard]] shield {
 public:
  SENNIT_API shield() noexcept;
  SENNIT_API ~shield();
  shield(const shield&) = delete;
  shield& operator=(const shield&) = delete;
};

namespace detail {
SENNIT_API void run_on_stack(std::size_t usable, void (*f)(void*), void* argument);
}

/// Runs f() on a larger stack of at least `usable` bytes and returns its result; f may park and may throw. Throws
/// std::system_error: invalid_argument for an absurd size, not_enough_memory. On a plain thread f runs in place.
template <class F>
decltype(auto) call_with_stack(std::size_t usable, F&& f) {
  using result = std::invoke_result_t<F>;
  if constexpr (std::is_void_v<result>) {
    detail::run_on_stack(
        usable, [](void* p) { std::invoke(std::forward<F>(*static_cast<std::remove_reference_t<F>*>(p))); },
        std::addressof(f));
  } else {
    struct call {
      std::remove_reference_t<F>* fn;
      std::optional<std::conditional_t<std::is_reference_v<result>, std::remove_reference_t<result>*, result>> value;
    } c{std::addressof(f), {}};
    detail::run_on_stack(
        usable,
        [](void* p) {
          auto& self = *static_cast<call*>(p);
          if constexpr (std::is_reference_v<result>) {
            self.value = std::addressof(std::invoke(std::forward<F>(*self.fn)));
          } else {
            self.value.emplace(std::invoke(std::forward<F>(*self.fn)));
          }
        },
        &c);
    if constexpr (std::is_reference_v<result>) {
      return static_cast<result>(**c.value);
    } else {
      return result(std::move(*c.value));
    }
  }
}

}  // namespace sennit::inline v0

template <>
struct std::hash<sennit::fiber::id> {
  std::size_t operator()(sennit::fiber::id i) const noexcept { return std::hash<std::uint64_t>{}(i.value_); }
};

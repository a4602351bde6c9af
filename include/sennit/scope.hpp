#pragma once
// Structured concurrency: children that cannot outlive their scope.
#include <exception>

#include <sennit/detail/fiber_owner.hpp>
#include <sennit/detail/wait_queue.hpp>
#include <sennit/fiber.hpp>
#include <sennit/future.hpp>

namespace sennit::inline v0 {

/// What a scope does with an exception that leaves a child.
enum class on_exception {
  stop,  ///< the first one stops the siblings and the owner's own waits inside the scope; join() rethrows it
  log,   ///< logged with the fiber's name; nobody else is touched
};

namespace detail {

/// The state of a scope, shared by the owner and the children; lives in the scope object, on the owner's stack.
class scope_core : public fiber_owner {
 public:
  SENNIT_API scope_core(on_exception policy, nanos deadline, std::size_t max_running);
  SENNIT_API ~scope_core();
  scope_core(const scope_core&) = delete;
  scope_core& operator=(const scope_core&) = delete;

  SENNIT_API void request_stop() noexcept;
  SENNIT_API void wait_all() noexcept;
  SENNIT_API void rethrow();
  SENNIT_API void before_spawn();  // waits for room if max_running is set, and reserves it
  SENNIT_API void after_spawn() noexcept;

 private:
  friend class scope_links;  // runtime/sync/scope_links.hpp: the scheduler's view

  void inherit_stop() noexcept;
  void park_for_children() noexcept SENNIT_RELEASE(waiters_.lock);
  std::exception_ptr take_failure() noexcept;
  [[nodiscard]] bool has_room() const noexcept SENNIT_REQUIRES(waiters_.lock);

  mutable wait_queue waiters_;  // spawners that wait for room; its lock guards everything down to stopped_
  wait_node* joiner_ SENNIT_GUARDED_BY(waiters_.lock) = nullptr;  // the owner, in wait_all
  fiber_block* children_ SENNIT_GUARDED_BY(waiters_.lock) = nullptr;
  std::size_t running_ SENNIT_GUARDED_BY(waiters_.lock) = 0;
  std::size_t promised_ SENNIT_GUARDED_BY(waiters_.lock) = 0;  // spawns that have room but no child yet
  std::exception_ptr first_ SENNIT_GUARDED_BY(waiters_.lock);
  bool stopped_ SENNIT_GUARDED_BY(waiters_.lock) = false;
  char first_name_[24] = {};  // of the child that failed first
  const on_exception policy_;
  const std::size_t max_running_;
  fiber_block* const owner_;  // the fiber whose stack this lives on
  const int uncaught_;        // exceptions in flight when the scope was made
  std::uint16_t shields_;     // of the owner then: stops and deadlines from outside do not pass them
  nanos deadline_;            // the tightest of this scope and what encloses it
  nanos outer_deadline_;
  scope_core* outer_;  // the owner's next outer open scope
};

struct child_access;
/// Waits for the end of a child; no_state for null. Throws on a stop.
SENNIT_API void wait_child(fiber_block* block, const stop_token& stop);
/// Rethrows what ended it, if anything did.
SENNIT_API void rethrow_child(fiber_block* block);

/// Room for one more child of a scope with max_running, from before the spawn until the child counts itself.
class scope_room {
 public:
  explicit scope_room(scope_core& core) : core_(core) { core_.before_spawn(); }
  ~scope_room() { core_.after_spawn(); }
  scope_room(const scope_room&) = delete;
  scope_room& operator=(const scope_room&) = delete;

 private:
  scope_core& core_;
};

/// What all handles of children have: a reference to the fiber.
class child_handle {
 public:
  child_handle() noexcept = default;

  /// Whether there is a child: not after a move or get().
  [[nodiscard]] bool valid() const noexcept { return block_ != nullptr; }
  /// Waits until the child has ended. As scope::join() for the owner of the scope, whose stop reaches the child; for
  /// others an ambient cancellation point: throws std::system_error(operation_canceled) on that stop. The same on the
  /// token's. std::future_error(no_state) if not valid.
  void wait(const stop_token& stop = {}) const { wait_child(block_.get(), stop); }

 protected:
  explicit child_handle(fiber_block* block) noexcept : block_(block) {}

  struct drop {
    void operator()(fiber_block* block) const noexcept { drop_handle(block); }
  };
  std::unique_ptr<fiber_block, drop> block_;
};

}  // namespace detail

/// What scope::spawn returns: a child and its result. Like a future, it may be dropped, kept longer than the scope,
/// moved, and used from anywhere by one at a time; unlike one it costs an allocation only if there is a result to keep.
template <class T>
class child : public detail::child_handle {
 public:
  child() noexcept = default;

  /// Waits, then returns what the child returned, or rethrows what ended it (the scope has that exception too), and is
  /// no longer valid.
  T get(const stop_token& stop = {}) {
    wait(stop);
    block_.reset();
    return result_.get();
  }
  /// The result as a future: for when_all, on_ready and those who do not know of scopes.
  [[nodiscard]] future<T> release() && noexcept {
    block_.reset();
    return std::move(result_);
  }

 private:
  friend struct detail::child_access;
  child(detail::fiber_block* block, future<T> result) noexcept : child_handle(block), result_(std::move(result)) {}

  future<T> result_;
};

template <>
class child<void> : public detail::child_handle {
 public:
  child() noexcept = default;

  void get(const stop_token& stop = {}) {
    wait(stop);
    const auto ended = std::move(block_);
    detail::rethrow_child(ended.get());
  }

 private:
  friend struct detail::child_access;
  explicit child(detail::fiber_block* block) noexcept : child_handle(block) {}
};

namespace detail {

struct child_access {
  template <class T, class... From>
  static child<T> make(From&&... from) noexcept {
    return child<T>(std::forward<From>(from)...);
  }
};

/// What f returns as a fiber: called with a stop_token first, if it takes one.
template <class F, class... Args>
struct child_result {
  using type = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
};
template <class F, class... Args>
  requires std::is_invocable_v<std::decay_t<F>, stop_token, std::decay_t<Args>...>
struct child_result<F, Args...> {
  using type = std::invoke_result_t<std::decay_t<F>, stop_token, std::decay_t<Args>...>;
};

/// f, whose result goes to a promise, and its exception there too.
template <class F, class R>
struct reporting {
  F fn;
  promise<R> to;

  template <class... Args>
    requires std::is_invocable_v<F, Args...>
  void operator()(Args&&... args) {
    try {
      to.set_value(std::invoke(std::move(fn), std::forward<Args>(args)...));
    } catch (...) {
      to.set_exception(std::current_exception());
      throw;
    }
  }
};

/// One spawn of a child. A result travels by a promise; without one the handle is a reference to the fiber.
template <class F, class... Args>
auto spawn_child(spawn_options&& options, F&& f, Args&&... args) {
  using result = typename child_result<F, Args...>::type;
  if constexpr (std::is_void_v<result>) {
    return child_access::make<void>(spawn_bound(std::move(options), std::forward<F>(f), std::forward<Args>(args)...));
  } else {
    using report = reporting<std::decay_t<F>, result>;
    report work{std::forward<F>(f), {}};
    future<result> from = work.to.get_future();
    fiber_block* const block = spawn_bound(std::move(options), std::move(work), std::forward<Args>(args)...);
    return child_access::make<result>(block, std::move(from));
  }
}

}  // namespace detail

/// Owns a set of child fibers: the destructor stops and joins them, join() joins and rethrows. A finished child leaves
/// nothing behind, so a scope may spawn for ever. Stops and deadlines reach every ambient cancellation point of every
/// child and of their scopes (docs/design.md); operation_canceled from a child of a stopped scope is not an error.
/// Lives on the stack of the fiber that made it; only that fiber may join or destroy it, its children may spawn into it
/// too.
class scope {
 public:
  struct options {
    on_exception policy = on_exception::stop;
    /// Bounds every wait of every child, and of the owner until the scope is destroyed: they throw
    /// error::deadline_passed.
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    /// spawn() parks while this many children run (ambient cancellation point). 0: no limit. A child that spawns into
    /// its own scope counts itself.
    std::size_t max_running = 0;
  };

  /// CHECK on a plain thread: only a fiber can own a scope.
  explicit scope(options o) : core_(o.policy, detail::to_nanos(o.deadline), o.max_running) {}
  scope() : scope(options{}) {}
  explicit scope(on_exception policy) : scope(options{.policy = policy}) {}
  explicit scope(std::chrono::steady_clock::time_point deadline) : scope(options{.deadline = deadline}) {}
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Stops and joins what still runs; an exception nobody fetched by join() is dropped only while another one is being
  /// thrown (with a warning in the log), otherwise it terminates with the child's name and message in the log.
  ~scope() = default;

  /// Starts f(args...) as a child. Errors as fiber's constructor; operation_canceled once the scope is stopped, but if
  /// a child's exception has stopped it, that goes to the owner here, as by join(). What f returns can be had from the
  /// handle; its exception goes to the scope, and to who asks the handle.
  template <class F>
    requires detail::fiber_callable<F>
  auto spawn(F&& f, std::source_location where = std::source_location::current()) {
    return spawn(attributes{.where = where}, std::forward<F>(f));
  }
  template <class F, class Arg, class... Args>
    requires detail::fiber_callable<F, Arg, Args...>
  auto spawn(F&& f, Arg&& arg, Args&&... args) {
    return spawn(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires detail::fiber_callable<F, Args...>
  auto spawn(attributes attrs, F&& f, Args&&... args) {
    const detail::scope_room room(core_);
    return detail::spawn_child({.attrs = attrs, .scope = &core_}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Ambient stop for all children, their scopes, and the owner's own waits inside this scope. From any thread while
  /// the scope lives. It reaches the scopes that were opened inside this one, but not those inside a `shield`.
  void request_stop() noexcept { core_.request_stop(); }

  /// Waits for all children, then rethrows the first exception under on_exception::stop. Not interruptible: an ambient
  /// stop reaches the children, whose end it then waits for. The scope can be used again.
  void join() {
    core_.wait_all();
    core_.rethrow();
  }

 private:
  detail::scope_core core_;
};

}  // namespace sennit::inline v0

#pragma once
// runtime: workers, scheduler and pollers. Several may live in one process.
#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/future.hpp>

namespace sennit::inline v0 {

namespace detail {
class host;
SENNIT_API void run_blocking(scheduler* home, task&& work, std::source_location where);

/// Between a runtime and its handles, which share it; any thread.
class runtime_link {
 public:
  /// By the runtime, which is there from now on until cut().
  void open(scheduler* home) noexcept;
  /// The runtime, which stays until leave(). Throws operation_not_permitted if it is gone.
  [[nodiscard]] SENNIT_API scheduler* enter();
  SENNIT_API void leave() noexcept;
  /// The runtime goes: waits for those inside.
  void cut() noexcept;

 private:
  spin_lock lock_;
  scheduler* home_ SENNIT_GUARDED_BY(lock_) = nullptr;
  std::size_t inside_ SENNIT_GUARDED_BY(lock_) = 0;
};

/// While it lives, so does the runtime.
class runtime_use {
 public:
  explicit runtime_use(runtime_link& link) : link_(link), home_(link.enter()) {}
  ~runtime_use() { link_.leave(); }
  runtime_use(const runtime_use&) = delete;
  runtime_use& operator=(const runtime_use&) = delete;
  [[nodiscard]] scheduler* home() const noexcept { return home_; }

 private:
  runtime_link& link_;
  scheduler* const home_;
};

/// Spawning into a runtime: what runtime and runtime_handle have in common. Self::enter() gives something that names
/// the runtime and keeps it.
template <class Self>
class spawner {
 public:
  /// Starts f(args...) as a fiber of this runtime; from any thread or fiber. Errors as fiber's constructor.
  template <class F>
    requires fiber_callable<F>
  fiber spawn(F&& f, std::source_location where = std::source_location::current()) const {
    return spawn(attributes{.where = where}, std::forward<F>(f));
  }
  template <class F, class Arg, class... Args>
    requires fiber_callable<F, Arg, Args...>
  fiber spawn(F&& f, Arg&& arg, Args&&... args) const {
    return spawn(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires fiber_callable<F, Args...>
  fiber spawn(attributes attrs, F&& f, Args&&... args) const {
    const auto in = static_cast<const Self&>(*this).enter();
    return fiber(spawn_bound({.attrs = attrs, .home = in.home()}, std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// sennit::async as a fiber of this runtime; from any thread or fiber.
  template <class F>
    requires async_callable<F>
  [[nodiscard]] auto async(F&& f, std::source_location where = std::source_location::current()) const {
    return async(attributes{.where = where}, std::forward<F>(f));
  }
  template <class F, class Arg, class... Args>
    requires async_callable<F, Arg, Args...>
  [[nodiscard]] auto async(F&& f, Arg&& arg, Args&&... args) const {
    return async(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires async_callable<F, Args...>
  [[nodiscard]] future<async_result<F, Args...>> async(attributes attrs, F&& f, Args&&... args) const {
    const auto in = static_cast<const Self&>(*this).enter();
    return spawn_async({.attrs = attrs, .home = in.home()}, std::forward<F>(f), std::forward<Args>(args)...);
  }
};

}  // namespace detail

struct fiber_group;
struct fiber_info;
struct runtime_metrics;
class trace;

/// Options of a runtime: every knob has a default that was measured (docs/design.md).
struct options {
  /// Threads that run fibers. 0: the CPUs in the affinity mask, capped by the cgroup's cpu.max.
  unsigned workers = 0;
  /// Usable stack bytes of a fiber; rounded up to a slot (64 KiB, 192 KiB, 960 KiB or 8128 KiB are usable).
  std::size_t stack_size = std::size_t{192} * 1024;
  /// Shown in logs and thread names.
  std::string_view name = "sennit";
  /// A worker that has not switched for this long is reported, rate-limited. zero: never.
  std::chrono::nanoseconds stall_threshold = std::chrono::milliseconds(20);
  /// How long the destructor waits for fibers after their ambient stop, before it names what is left.
  std::chrono::nanoseconds shutdown_timeout = std::chrono::seconds(10);
  /// Resident bytes that free stacks may keep for good. What is above that is given back to the system when it has not
  /// been used for one to two seconds.
  std::size_t stack_budget = std::size_t{256} << 20;
  /// Stacks that the runtime ever makes: a bound on memory. Fibers beyond it wait until one comes free; if none is in
  /// use they end with not_enough_memory.
  std::size_t max_stacks = std::numeric_limits<std::size_t>::max();
  /// Test option: every resume happens on another worker than the last one.
  bool force_migrate = false;
  /// The outside world: tests inject faults through it. null: the system.
  detail::host* host = nullptr;
};

/// Counters of a runtime, summed over its workers at one moment (not an atomic snapshot).
struct runtime_stats {
  std::uint64_t spawned = 0;
  std::uint64_t finished = 0;
  std::uint64_t switches = 0;
  std::uint64_t parks = 0;
  std::uint64_t steals = 0;
  std::uint64_t polls = 0;          ///< calls of epoll_wait or kevent
  std::uint64_t poll_events = 0;    ///< events they returned
  std::uint64_t registrations = 0;  ///< calls of epoll_ctl or kevent changes
  std::uint64_t reads = 0;          ///< recv, read, accept calls by fibers
  std::uint64_t writes = 0;         ///< send, write, connect calls by fibers
  std::uint64_t wakes = 0;          ///< writes to a sleeping worker's eventfd
  std::uint64_t sleeps = 0;         ///< times a worker went to sleep
  std::uint64_t takeovers = 0;      ///< times a stuck worker's poller or slot was served by another thread
  std::uint64_t stalls = 0;         ///< reports of a worker that did not switch
  std::uint64_t deadlocks = 0;      ///< reports of fibers that nothing can wake
  std::size_t stacks_in_use = 0;
  std::size_t stacks_cached = 0;
  unsigned workers = 0;
};

/// A copyable reference to a runtime that does not keep it alive: spawns from anywhere, as runtime itself does, and
/// throws std::system_error(operation_not_permitted) once the runtime is shut down or gone, or if it refers to none.
/// Any thread.
class runtime_handle : public detail::spawner<runtime_handle> {
 public:
  /// Refers to none.
  runtime_handle() noexcept = default;
  /// The runtime of the calling fiber; none on a plain thread.
  [[nodiscard]] SENNIT_API static runtime_handle current() noexcept;
  friend bool operator==(const runtime_handle& a, const runtime_handle& b) noexcept { return a.link_ == b.link_; }

 private:
  friend class runtime;
  friend class detail::spawner<runtime_handle>;
  explicit runtime_handle(std::shared_ptr<detail::runtime_link> link) noexcept : link_(std::move(link)) {}
  [[nodiscard]] SENNIT_API detail::runtime_use enter() const;

  std::shared_ptr<detail::runtime_link> link_;
};

/// Owns the workers. Not movable. The destructor shuts down as shutdown(shutdown_timeout) does.
class runtime : public detail::spawner<runtime> {
 public:
  /// Starts the workers. Throws std::system_error (resource limits; invalid_argument for bad options).
  SENNIT_API explicit runtime(const options& opts = {});
  SENNIT_API ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Runs f as a fiber, blocks the calling plain thread until it ends, returns its result or rethrows. From a fiber of
  /// this runtime: CHECK (call f, or spawn and join).
  template <class F>
  std::invoke_result_t<F> run(F&& f, std::source_location where = std::source_location::current()) {
    using result = std::invoke_result_t<F>;
    if constexpr (std::is_void_v<result>) {
      detail::run_blocking(core_, detail::task([&f] { std::invoke(std::forward<F>(f)); }), where);
    } else {
      std::optional<result> value;
      detail::run_blocking(core_, detail::task([&] { value.emplace(std::invoke(std::forward<F>(f))); }), where);
      return std::move(*value);
    }
  }

  /// For whoever must not keep this runtime alive, nor know whether it is.
  [[nodiscard]] runtime_handle handle() const noexcept { return runtime_handle(link_); }

  /// Refuses new fibers, asks all fibers to stop (ambient), waits until they have ended or `timeout` has passed, then
  /// names in the log what is left (their destructors do not run). True if all ended. Idempotent. From a plain thread.
  SENNIT_API bool shutdown(std::chrono::nanoseconds timeout);

  [[nodiscard]] SENNIT_API runtime_stats stats() const;
  /// The same for each worker, and how long things take (sennit/metrics.hpp). Any thread or fiber; holds nobody up.
  /// Throws std::bad_alloc.
  [[nodiscard]] SENNIT_API runtime_metrics metrics() const;
  [[nodiscard]] SENNIT_API unsigned workers() const noexcept;
  /// All fibers of this runtime that have not ended, by id (sennit/inspect.hpp). They go on meanwhile: each is seen at
  /// a moment of its own, and held up for a few microseconds if it is woken just then. Any thread or fiber. Throws
  /// std::bad_alloc.
  [[nodiscard]] SENNIT_API std::vector<fiber_info> fibers() const;
  /// The same by groups, by the lowest id: of a hundred thousand that wait in one place no more is kept than of ten.
  [[nodiscard]] SENNIT_API std::vector<fiber_group> fiber_groups() const;

  /// The runtime of the calling fiber; nullptr on a plain thread.
  [[nodiscard]] SENNIT_API static runtime* current() noexcept;

 private:
  friend class detail::spawner<runtime>;
  friend class trace;
  struct here {
    detail::scheduler* core;
    [[nodiscard]] detail::scheduler* home() const noexcept { return core; }
  };
  [[nodiscard]] here enter() const noexcept { return {core_}; }

  std::shared_ptr<detail::runtime_link> link_;
  detail::scheduler* core_;
};

/// A runtime with these options around f: starts it, runs f as its first fiber, shuts it down, returns f's result.
template <class F>
std::invoke_result_t<F> run(const options& opts, F&& f, std::source_location where = std::source_location::current()) {
  runtime rt(opts);
  return rt.run(std::forward<F>(f), where);
}
/// The same with default options.
template <class F>
std::invoke_result_t<F> run(F&& f, std::source_location where = std::source_location::current()) {
  return run(options{}, std::forward<F>(f), where);
}

}  // namespace sennit::inline v0

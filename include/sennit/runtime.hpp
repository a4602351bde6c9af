#pragma once
// runtime: workers, scheduler and pollers. Several may live in one process.
#include <chrono>
#include <exception>
#include <limits>
#include <optional>

#include <sennit/fiber.hpp>
#include <sennit/future.hpp>

namespace sennit::inline v0 {

namespace detail {
class host;
SENNIT_API void run_blocking(scheduler* home, task&& work, std::source_location where);
}  // namespace detail

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
  /// Resident bytes that free stacks may keep.
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
  std::size_t stacks_in_use = 0;
  std::size_t stacks_cached = 0;
  unsigned workers = 0;
};

/// Owns the workers. Not movable. The destructor shuts down as shutdown(shutdown_timeout) does.
class runtime {
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

  /// Starts f(args...) as a fiber of this runtime; from any thread or fiber. Errors as fiber's constructor.
  template <class F>
    requires detail::fiber_callable<F>
  fiber spawn(F&& f, std::source_location where = std::source_location::current()) {
    return spawn(attributes{.where = where}, std::forward<F>(f));
  }
  template <class F, class Arg, class... Args>
    requires detail::fiber_callable<F, Arg, Args...>
  fiber spawn(F&& f, Arg&& arg, Args&&... args) {
    return spawn(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires detail::fiber_callable<F, Args...>
  fiber spawn(attributes attrs, F&& f, Args&&... args) {
    return fiber(detail::spawn_bound({.attrs = attrs, .home = core_}, std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// sennit::async as a fiber of this runtime; from any thread or fiber.
  template <class F>
    requires detail::async_callable<F>
  [[nodiscard]] auto async(F&& f, std::source_location where = std::source_location::current()) {
    return async(attributes{.where = where}, std::forward<F>(f));
  }
  template <class F, class Arg, class... Args>
    requires detail::async_callable<F, Arg, Args...>
  [[nodiscard]] auto async(F&& f, Arg&& arg, Args&&... args) {
    return async(attributes{}, std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires detail::async_callable<F, Args...>
  [[nodiscard]] future<detail::async_result<F, Args...>> async(attributes attrs, F&& f, Args&&... args) {
    return detail::spawn_async({.attrs = attrs, .home = core_}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Refuses new fibers, asks all fibers to stop (ambient), waits until they have ended or `timeout` has passed, then
  /// names in the log what is left (their destructors do not run). True if all ended. Idempotent. From a plain thread.
  SENNIT_API bool shutdown(std::chrono::nanoseconds timeout);

  [[nodiscard]] SENNIT_API runtime_stats stats() const;
  [[nodiscard]] SENNIT_API unsigned workers() const noexcept;

  /// The runtime of the calling fiber; nullptr on a plain thread.
  [[nodiscard]] SENNIT_API static runtime* current() noexcept;

 private:
  detail::scheduler* core_;
};

/// A runtime with these options around f: starts it, runs f as its first fiber, shuts it down, returns f's result.
template <class F>
std::invoke_result_t<F> run(const options& opts, F&& f) {
  runtime rt(opts);
  return rt.run(std::forward<F>(f));
}
/// The same with default options.
template <class F>
std::invoke_result_t<F> run(F&& f) {
  return run(options{}, std::forward<F>(f));
}

}  // namespace sennit::inline v0

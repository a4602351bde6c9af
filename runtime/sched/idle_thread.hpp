#pragma once
#include "base/atomic.hpp"

namespace sennit::inline v0::detail {

/// While one lives, its thread, which is none of a runtime's own, does nothing to fibers until one of them or another
/// thread makes it: what the search for deadlocks has to know of it.
class idle_thread {
 public:
  idle_thread() noexcept { begin(); }
  ~idle_thread() { end(); }
  idle_thread(const idle_thread&) = delete;
  idle_thread& operator=(const idle_thread&) = delete;

  /// For one that parks: it begins, and its waker ends.
  static void begin() noexcept { threads.fetch_add(1, relaxed); }  // mm:idle-threads
  static void end() noexcept { threads.fetch_sub(1, relaxed); }    // mm:idle-threads

  /// Of the process. Any thread.
  [[nodiscard]] static unsigned count() noexcept { return threads.load(relaxed); }  // mm:idle-threads

 private:
  static inline constinit atomic<unsigned> threads{0};
};

}  // namespace sennit::inline v0::detail

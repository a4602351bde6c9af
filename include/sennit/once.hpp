#pragma once
#include <functional>
#include <utility>

#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0 {

class once_flag;
template <class F, class... Args>
void call_once(once_flag& flag, F&& f, Args&&... args);

/// std::once_flag, whose callers may wait: a fiber that initialises may park, and others park until it has. Between
/// fibers, plain threads and both. Constant initialised.
class once_flag {
 public:
  constexpr once_flag() noexcept = default;
  once_flag(const once_flag&) = delete;
  once_flag& operator=(const once_flag&) = delete;

 private:
  template <class F, class... Args>
  friend void call_once(once_flag& flag, F&& f, Args&&... args);

  [[nodiscard]] bool is_done() const noexcept { return state_.load(detail::acquire) == done; }  // mm:once-state
  SENNIT_API bool begin() noexcept;              // true: the caller is the one, and calls end()
  SENNIT_API void end(bool succeeded) noexcept;  // false: the next caller tries

  enum : std::uint32_t { fresh, running, done };
  detail::atomic<std::uint32_t> state_{fresh};
  detail::waiter* runner_ SENNIT_GUARDED_BY(waiters_.lock) = nullptr;
  detail::wait_queue waiters_;
};

/// Runs f(args...) once among all calls with this flag. Returns when that has returned; if it throws, the exception
/// goes to its caller, and another call tries. No cancellation point. CHECK: not called from inside of f.
template <class F, class... Args>
void call_once(once_flag& flag, F&& f, Args&&... args) {
  if (flag.is_done() || !flag.begin()) return;
  struct ending {
    once_flag& flag;
    bool succeeded = false;
    ~ending() { flag.end(succeeded); }
  } e{flag};
  std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  e.succeeded = true;
}

}  // namespace sennit::inline v0

#pragma once
// context: a function on a stack of its own, switched to and from by hand. No runtime, no scheduler, no thread.
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <sennit/detail/config.hpp>
#include <sennit/detail/task.hpp>

namespace sennit::inline v0 {

/// Runs f(context&) piece by piece: resume() goes on with it until it calls suspend() or ends.
///
///     sennit::context numbers(64 * 1024, [&](sennit::context& self) {
///       for (next = 1;; ++next) self.suspend();
///     });
///     numbers.resume();  // next is 1
///
/// Owned by whoever made it. It may be resumed by one thread now and by another later, and from fibers and from other
/// contexts, but by one at a time. What f does to wait, the thread or the fiber that resumed it does.
class SENNIT_API context {
 public:
  /// Does not call f yet. `stack_size` is in usable bytes and is rounded up to 64 KiB, 192 KiB, 960 KiB or 8128 KiB; 0
  /// and larger sizes throw std::system_error(invalid_argument), a lack of memory not_enough_memory. f may be
  /// move-only. It starts with the floating-point environment of the caller of this constructor.
  template <class F>
    requires std::invocable<std::decay_t<F>&, context&>
  context(std::size_t stack_size, F&& f)
      : context(stack_size, detail::task([this, fn = std::decay_t<F>(std::forward<F>(f))]() mutable { fn(*this); })) {}
  context(const context&) = delete;
  context& operator=(const context&) = delete;
  /// If f is suspended, its stack is unwound first: suspend() throws an exception of a hidden type, so that destructors
  /// and catch (...) blocks run. f must let it pass: to suspend again ends the process, and so does to throw another.
  ~context();

  /// Goes on with f until it suspends or ends. An exception that leaves f leaves resume(), and f is done then. Ends the
  /// process if f is done or is what calls resume().
  void resume();

  /// Called by f: returns from the resume() that f runs in; the next resume() returns from here.
  void suspend();

  /// Whether f has ended: returned or thrown.
  [[nodiscard]] bool done() const noexcept;

 private:
  struct state;
  context(std::size_t stack_size, detail::task body);

  std::unique_ptr<state> state_;
};

}  // namespace sennit::inline v0

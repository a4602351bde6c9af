#pragma once
// The scheduler's side of scopes: how a fiber becomes a child, and which stops reach it.
#include <sennit/scope.hpp>

#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

/// The links between scope_core and fiber_block. Locks are taken downwards only: the scope_lock of a fiber, the lock of
/// a scope that it owns, the scope_lock of a child of that scope, and so on.
class scope_links {
 public:
  /// Makes `child`, which is not runnable yet, a child of `s`: nothing that can fail may follow. Throws
  /// operation_canceled if the scope is stopped; the child is then untouched. Does not park.
  static void adopt(scope_core& s, fiber_block& child);

  /// Whether `child` was spawned into an open scope of the calling fiber. The child's is not looked at: if the child is
  /// just ending, its scope may be gone.
  [[nodiscard]] static bool is_child_of(const fiber_block& child, const waiter& caller) noexcept {
    if (!caller.is_fiber()) return false;
    const scope_core* s = static_cast<const fiber_block&>(caller).innermost;
    while (s != nullptr && s != child.owner) s = s->outer_;
    return s != nullptr;
  }

  /// Whether a stop reaches `f` through one of the scopes from `s` outwards (its own, null if none), through its parent
  /// or its runtime. Stops outside the innermost `level` shields do not count. Only by `f` itself.
  [[nodiscard]] static bool stop_wanted(const fiber_block& f, const scope_core* s, unsigned level) noexcept;

 private:
  friend class scope_core;
  class fiber_list;

  static void finish(fiber_owner& owner, fiber_block& child) noexcept;
  static void note_failure(scope_core& s, fiber_block& child) noexcept;
  static void stop(scope_core& root) noexcept;
  static fiber_block* stop_one(scope_core& s, const scope_core& root, fiber_list& woken) noexcept;
};

/// Whether anything wants the calling fiber to stop: what its ambient stop bit should say.
[[nodiscard]] inline bool ambient_stop_wanted(const fiber_block& f) noexcept {
  return scope_links::stop_wanted(f, f.innermost, 0);
}

}  // namespace sennit::inline v0::detail

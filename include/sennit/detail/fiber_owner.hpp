#pragma once

namespace sennit::inline v0::detail {

class fiber_block;

/// Who is told that a fiber has ended: the scope whose child it is, or the state of an async.
struct fiber_owner {
  /// On no fiber, after the fiber has left its stack and before its joiners are woken. May take the fiber's failure.
  void (*const finish)(fiber_owner& self, fiber_block& f) noexcept;
};

}  // namespace sennit::inline v0::detail

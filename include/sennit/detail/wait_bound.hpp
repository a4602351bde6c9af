#pragma once
// What may end a wait early, whatever it waits for.
#include <sennit/detail/time.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0::detail {

/// A deadline, and a stop_token that outlives the wait (null: none). The ambient stop of a scope is not in it: the
/// runtime knows that of each fiber.
struct wait_bound {
  nanos deadline = never;
  const stop_token* stop = nullptr;
};

}  // namespace sennit::inline v0::detail

#pragma once
// Putting a fiber on a certain worker: for what belongs to that worker's poller.
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {

/// Moves the calling fiber to `target`, a worker of its runtime. It must be pinned, and stays there as long as it is:
/// one that is not would be anybody's to steal on the way.
void move_to(worker& target) noexcept;

}  // namespace sennit::inline v0::detail

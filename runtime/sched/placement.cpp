#include "sched/placement.hpp"

#include "base/check.hpp"
#include "base/sanitizer.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {

// Who queued the fiber read `last` before it did so, but after the release that TSan is told of; as in worker::enter().
SENNIT_NO_TSAN void move_to(worker& target) noexcept {
  worker* const here = this_worker();
  SENNIT_CHECK(here != nullptr && &here->home == &target.home, "a fiber moves between the workers of its own runtime");
  fiber_block& self = *here->running();
  SENNIT_CHECK(self.pinned(), "pin a fiber before it moves: others would take it from the worker that it goes to");
  if (here == &target) return;
  // From now on every queue sends it there. Nobody has it yet: the hook below runs when its registers are saved.
  self.last = &target;
  here->leave(self, [](worker& w, fiber_block& left, void*) noexcept { w.home.requeue(w, left); }, nullptr);
}

}  // namespace sennit::inline v0::detail

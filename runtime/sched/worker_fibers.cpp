// How a fiber begins and ends on a worker.
#include <exception>

#include "base/check.hpp"
#include "base/log.hpp"
#include "base/sanitizer.hpp"
#include "context/tsan_section.hpp"
#include "fiber/local_map.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

/// The body of a detached fiber: nothing catches, so std::terminate runs at the throw site and a core shows it.
void run_uncaught(task& work) noexcept { work(); }

}  // namespace

/// A stack for the first run of `f`. False: there is none, and `f` waits for one elsewhere.
SENNIT_NO_TSAN bool worker::bind(fiber_block* f) noexcept {  // the fiber reads `slot`
  std::error_code why;
  const stack memory = stacks.take(f->stack_kind, why);
  if (!memory) {
    home.starve(f, why);
    return false;
  }
  counters.bound.add();
  const tsan_section unseen(tsan.nursery());
  f->slot = memory.slot;
  make_context(f->ctx, memory.limit(), memory.top(), &worker::fiber_entry, f->fp());
  return true;
}

last_switch worker::fiber_entry(void* transfer) noexcept {
  auto* w = static_cast<worker*>(transfer);
  w->after_switch();
  fiber_block& f = *w->running();
  tsan_acquire(&f);
  tsan_acquire(f.slot);
  task work = f.take_work();
  if (f.detached.load(relaxed) && f.owner == nullptr) {  // mm:detached
    run_uncaught(work);
  } else {
    bool lost = false;
    try {
      work();
    } catch (...) {
      std::exception_ptr failure = std::current_exception();
      const spin_guard guard(f.joiners.lock);
      f.fail(std::move(failure));
      lost = f.owner == nullptr && f.detached.load(relaxed);  // mm:detached
    }
    if (lost) {
      log(log_level::error, "uncaught exception in detached fiber '%s'", f.name().data());
      std::terminate();
    }
  }
  work.reset();
  local_map::end(f.locals);
  f.exits.run();
  SENNIT_CHECK(!f.home->lost_by_fork(), "a fiber that forks must end the child by _exit() or exec, not by returning");
  return f.last->leave_for_good(f);
}

/// `claimed`: the joiner that enter_joiner() took.
void worker::finish(worker& w, fiber_block& f, void* claimed) noexcept {
  // The stack goes back before anybody is told: who joins the last fiber may rely on its memory being free.
  destroy_context(f.ctx);
  w.stacks.put(f.memory());
  f.slot = nullptr;
  w.counters.unbound.add();
  w.home.feed();
  conclude(w.home, &w, f);
  auto* const joiner = static_cast<fiber_block*>(claimed);
  if (joiner == nullptr) return;
  if (joiner == w.running()) {
    tsan_release(joiner);
  } else {
    ready(*joiner);
  }
}

void conclude(scheduler& home, worker* w, fiber_block& f) noexcept {
  if (f.owner != nullptr) f.owner->finish(*f.owner, f);
  f.joiners.lock.lock();
  f.state.set_done();
  waiter* joiner = f.joiners.claim_waiter();
  f.joiners.lock.unlock();
  while (joiner != nullptr) {
    ready(*joiner);
    const spin_guard guard(f.joiners.lock);
    joiner = f.joiners.claim_waiter();
  }
  if (w != nullptr) w->counters.finished.add();
  home.fiber_ended();
  scheduler::release(f, w);
}

}  // namespace sennit::inline v0::detail

#include <sennit/runtime.hpp>

#include "base/check.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {

runtime::runtime(const options& opts) : core_(new detail::scheduler(*this, opts)) {}

runtime::~runtime() {
  // In the child of a fork the workers are gone and their locks may be held for ever: leave everything as it is.
  if (core_->lost_by_fork()) return;
  if (!core_->draining()) core_->shutdown(core_->settings().shutdown_timeout.count());
  delete core_;
}

bool runtime::shutdown(std::chrono::nanoseconds timeout) {
  return core_->lost_by_fork() || core_->shutdown(detail::span_nanos(timeout));
}

runtime_stats runtime::stats() const { return core_->stats(); }

unsigned runtime::workers() const noexcept { return static_cast<unsigned>(core_->workers().size()); }

runtime* runtime::current() noexcept {
  const detail::worker* w = detail::this_worker();
  return w != nullptr ? &w->home.face() : nullptr;
}

void detail::run_blocking(scheduler* home, task&& work, std::source_location where) {
  worker* w = this_worker();
  SENNIT_CHECK(w == nullptr || &w->home != home,
               "runtime::run blocks its caller: inside this runtime call f, or spawn and join");
  fiber_block* f = spawn(std::move(work), {.attrs = {.name = "main", .where = where}, .home = home});
  // Not ambient: f refers to the caller's stack.
  const struct handle {
    fiber_block* block;
    ~handle() { drop_handle(block); }
  } guard{f};
  join_uninterrupted(f);
}

}  // namespace sennit::inline v0

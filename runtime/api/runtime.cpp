#include <sched.h>

#include <sennit/detail/visit_runtimes.hpp>
#include <sennit/error.hpp>
#include <sennit/runtime.hpp>

#include "api/runtime_list.hpp"
#include "base/check.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {

runtime::runtime(const options& opts)
    : link_(std::make_shared<detail::runtime_link>()), core_(new detail::scheduler(*this, opts)) {
  link_->open(core_);
  try {
    detail::runtime_list::of_process().add(*core_);
  } catch (...) {
    link_->cut();
    delete core_;
    throw;
  }
}

runtime::~runtime() {
  // In the child of a fork the workers are gone and their locks may be held for ever: leave everything as it is.
  if (core_->lost_by_fork()) return;
  if (!core_->draining()) core_->shutdown(core_->settings().shutdown_timeout.count());
  detail::runtime_list::of_process().remove(*core_);
  link_->cut();
  delete core_;
}

bool runtime::shutdown(std::chrono::nanoseconds timeout) {
  return core_->lost_by_fork() || core_->shutdown(detail::span_nanos(timeout));
}

runtime_stats runtime::stats() const { return core_->stats(); }

unsigned runtime::workers() const noexcept { return static_cast<unsigned>(core_->workers().size()); }

runtime_handle runtime_handle::current() noexcept {
  const runtime* const here = runtime::current();
  return here != nullptr ? here->handle() : runtime_handle();
}

detail::runtime_use runtime_handle::enter() const {
  if (link_ == nullptr) {
    detail::throw_if(std::make_error_code(std::errc::operation_not_permitted), "sennit: this handle has no runtime");
  }
  return detail::runtime_use(*link_);
}

detail::scheduler* detail::runtime_link::enter() {
  {
    const spin_guard guard(lock_);
    if (home_ != nullptr) {
      ++inside_;
      return home_;
    }
  }
  throw_if(std::make_error_code(std::errc::operation_not_permitted), "sennit: the runtime of this handle is gone");
  __builtin_unreachable();
}

void detail::runtime_link::leave() noexcept {
  const spin_guard guard(lock_);
  --inside_;
}

void detail::runtime_link::open(scheduler* home) noexcept {
  const spin_guard guard(lock_);
  home_ = home;
}

void detail::runtime_link::cut() noexcept {
  lock_.lock();
  home_ = nullptr;
  while (inside_ != 0) {  // in a spawn, which does not wait
    lock_.unlock();
    ::sched_yield();
    lock_.lock();
  }
  lock_.unlock();
}

runtime* runtime::current() noexcept {
  const detail::worker* w = detail::this_worker();
  return w != nullptr ? &w->home.face() : nullptr;
}

void detail::visit_runtimes(const std::function<void(runtime& rt)>& f) {
  runtime_list::of_process().visit([&](scheduler& home) { f(home.face()); });
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

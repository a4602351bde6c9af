#include <sched.h>

#include <sennit/fiber.hpp>

#include "base/check.hpp"
#include "context/context.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {

struct this_fiber_access {
  static fiber::id make(std::uint64_t value) noexcept { return fiber::id(value); }
};

namespace this_fiber {

using detail::current_fiber;
using detail::fiber_block;

void yield() noexcept {
  if (fiber_block* f = current_fiber()) {
    f->last->yield(*f);
  } else {
    ::sched_yield();
  }
}

void maybe_yield() {
  fiber_block* f = current_fiber();
  if (f == nullptr) return;
  if (f->shields == 0 && f->state.stop_requested()) detail::throw_if_canceled(detail::case_stop);
  if (++f->yields < 61) return;
  f->yields = 0;
  f->last->yield(*f);
}

fiber::id get_id() noexcept {
  const fiber_block* f = current_fiber();
  return f != nullptr ? this_fiber_access::make(f->id) : fiber::id();
}

std::string_view name() noexcept {
  const fiber_block* f = current_fiber();
  return f != nullptr ? f->name() : std::string_view();
}

stop_token get_stop_token() {
  fiber_block* f = current_fiber();
  return f != nullptr ? detail::stop_source_of(f).get_token() : stop_token();
}

bool stop_requested() noexcept {
  const fiber_block* f = current_fiber();
  return f != nullptr && f->shields == 0 && f->state.stop_requested();
}

}  // namespace this_fiber

void detail::sleep(wait_bound until) {
  throw_if_canceled(park(current_waiter(), {.kind = wait_kind::sleep, .until = until, .in_the_future = true}));
}

void detail::sleep_no_longer(const stop_token& stop) {
  if (this_fiber::stop_requested()) throw_if_canceled(case_stop);
  if (stop.stop_requested()) throw_if_canceled(case_token);
  this_fiber::yield();
}

pin_guard::pin_guard() noexcept {
  if (detail::fiber_block* f = detail::current_fiber()) ++f->pins;
}
pin_guard::~pin_guard() {
  if (detail::fiber_block* f = detail::current_fiber()) --f->pins;
}

shield::shield() noexcept {
  if (detail::fiber_block* f = detail::current_fiber()) ++f->shields;
}
shield::~shield() {
  if (detail::fiber_block* f = detail::current_fiber()) --f->shields;
}

}  // namespace sennit::inline v0

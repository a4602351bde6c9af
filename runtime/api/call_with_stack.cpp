// Running part of a fiber on a larger stack.
#include <exception>
#include <system_error>

#include <sennit/fiber.hpp>

#include "context/tsan_section.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

/// The call, on the small stack. While it runs, fiber_block::ctx and ::memory are those of the large one, so parks,
/// overflow reports and dumps need to know nothing of it.
struct stack_call {
  fiber_block& f;
  void (*run)(void*);
  void* argument;
  context outer;
  std::exception_ptr failure;
};

constinit thread_local stack_call* starting = nullptr;

[[gnu::noinline]] SENNIT_NO_TSAN void set_starting(stack_call* call) noexcept { starting = call; }
[[gnu::noinline]] SENNIT_NO_TSAN stack_call* get_starting() noexcept { return starting; }

stack take_stack(worker& w, stack_class kind, std::error_code& why) noexcept {
  const tsan_section on_thread(w.tsan.self());
  return w.stacks.take(kind, why);
}

last_switch enter_large_stack(void*) noexcept {
  stack_call& call = *get_starting();
  tsan_acquire(&call);  // to TSan this is another context than the caller's
  try {
    call.run(call.argument);
  } catch (...) {
    call.failure = std::current_exception();
  }
  worker* w = call.f.last;
  context& here = call.f.ctx;
  call.outer.exceptions = w->live_exceptions();
  tsan_release(&call);
  return {here, call.outer, w, w->live_exceptions()};
}

}  // namespace

void run_on_stack(std::size_t usable, void (*run)(void*), void* argument) {
  const stack_class kind = class_for(usable);
  fiber_block* f = current_fiber();
  if (f == nullptr) return run(argument);
  worker* w = f->last;
  std::error_code why;
  const stack large = take_stack(*w, kind, why);
  tsan_acquire(large.slot);
  if (!large) throw std::system_error(why, "sennit: no stack for call_with_stack");
  stack_call call{*f, run, argument, {}, nullptr};
  stack small;
  {
    const tsan_section on_thread(w->tsan.self());  // which wrote them when it resumed the fiber
    call.outer = f->ctx;
    small = f->memory();
    f->set_memory(large);
    f->ctx = context{};  // what the sanitizers know of the small stack went with the copy
  }
  make_context(f->ctx, large.limit(), large.top(), enter_large_stack, current_fp_env());
  // The same fiber: `throw;` and uncaught_exceptions() go on as if it were a plain call.
  f->ctx.exceptions = w->live_exceptions();
  set_starting(&call);
  tsan_release(&call);
  w = static_cast<worker*>(switch_context(call.outer, f->ctx, w, w->live_exceptions()));
  tsan_acquire(&call);
  tsan_release(large.slot);
  {
    const tsan_section on_thread(w->tsan.self());
    destroy_context(f->ctx);
    f->ctx = call.outer;
    f->set_memory(small);
    w->stacks.put(large);
  }
  if (call.failure != nullptr) std::rethrow_exception(call.failure);
}

}  // namespace sennit::inline v0::detail

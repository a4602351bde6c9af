#include "context/context.hpp"

#include <exception>
#include <system_error>

#include <sennit/context.hpp>

#include "base/check.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::inline v0 {
namespace {

/// Thrown by suspend() in a context that is being destroyed. Nobody else can name it.
struct unwind {};

/// Contexts by hand belong to no runtime. Never destroyed: a static context may outlive every other static.
detail::stack_pool& stacks() {
  static auto* const pool = new detail::stack_pool({.resident_budget = std::size_t{4} << 20});
  return *pool;
}

}  // namespace

/// Both sides use it, in turns: each switch orders what one side did before what the other does next.
struct context::state {
  enum class phase { fresh, running, suspended, done };

  static detail::last_switch entry(void* transfer) noexcept;
  void switch_in();
  void switch_out();

  detail::context self;
  detail::context resumer;
  detail::stack memory;
  detail::task body;
  std::exception_ptr failure;
  phase now = phase::fresh;
  bool unwinding = false;
};

void context::state::switch_in() {
  now = phase::running;
  detail::tsan_release(this);
  detail::switch_context(resumer, self, this, *detail::thread_exception_state());
  detail::tsan_acquire(this);
}

void context::state::switch_out() {
  detail::tsan_release(this);
  detail::switch_context(self, resumer, nullptr, *detail::thread_exception_state());
  detail::tsan_acquire(this);
}

detail::last_switch context::state::entry(void* transfer) noexcept {
  auto& me = *static_cast<state*>(transfer);
  detail::tsan_acquire(&me);
  try {
    me.body();
  } catch (const unwind&) {  // NOLINT(bugprone-empty-catch): thrown to get here
  } catch (...) {
    me.failure = std::current_exception();
  }
  me.body.reset();  // what f captured goes when f ends, not when the context does
  me.now = phase::done;
  detail::tsan_release(&me);
  return {me.self, me.resumer, nullptr, *detail::thread_exception_state()};
}

context::context(std::size_t stack_size, detail::task body) : state_(std::make_unique<state>()) {
  const std::error_code error = stacks().allocate(detail::class_for(stack_size), state_->memory);
  if (error) throw std::system_error(error, "sennit: no stack for a context");
  state_->body = std::move(body);
  detail::make_context(state_->self, state_->memory.limit(), state_->memory.top(), state::entry,
                       detail::current_fp_env());
}

context::~context() {
  SENNIT_CHECK(state_->now != state::phase::running, "return from a context before you destroy it");
  if (state_->now == state::phase::suspended) {
    state_->unwinding = true;
    state_->switch_in();
    if (state_->failure != nullptr) std::rethrow_exception(state_->failure);  // terminates and names it
  }
  detail::destroy_context(state_->self);
  stacks().release(state_->memory);
}

void context::resume() {
  SENNIT_CHECK(state_->now != state::phase::done, "ask done() before you resume a context: its function has ended");
  SENNIT_CHECK(state_->now != state::phase::running, "resume a context from outside, one thread at a time");
  state_->switch_in();
  if (state_->failure != nullptr) std::rethrow_exception(std::exchange(state_->failure, nullptr));
}

void context::suspend() {
  SENNIT_CHECK(state_->now == state::phase::running, "suspend() is for the function that the context runs");
  SENNIT_CHECK(!state_->unwinding, "let the exception that suspend() threw pass: this context is being destroyed");
  state_->now = state::phase::suspended;
  state_->switch_out();
  if (state_->unwinding) throw unwind();
}

bool context::done() const noexcept { return state_->now == state::phase::done; }

}  // namespace sennit::inline v0

// Spawning, joining and the handle operations of fiber.
#include <ostream>

#include <sennit/fiber.hpp>
#include <sennit/scope.hpp>

#include "base/check.hpp"
#include "base/log.hpp"
#include "context/tsan_section.hpp"
#include "fiber/local_map.hpp"
#include "sched/cpu_count.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sync/scope_links.hpp"

namespace sennit::inline v0 {
namespace detail {
namespace {

constexpr std::uint64_t id_block = 1024;

/// Ids are handed to threads in blocks, so that spawning on many workers shares no counter.
SENNIT_NO_TSAN std::uint64_t new_id() noexcept {
  static constinit atomic<std::uint64_t> next_block{0};
  static constinit thread_local std::uint64_t next = 0;  // never read after a switch: spawn does not park
  if (next % id_block == 0) next = next_block.fetch_add(1, relaxed) * id_block;  // mm:fiber-id
  return ++next;
}

[[noreturn]] void fail(std::errc code, const char* what) { throw std::system_error(std::make_error_code(code), what); }

/// True in the child of a fork() for a fiber of the parent: nobody runs it here, and its locks may be held for ever.
bool lost_by_fork(const fiber_block& f) noexcept { return f.forks != fork_generation(); }

enum class ambient_stops { end_it, pass, pass_for_the_scope };

/// False if the deadline came first.
bool wait_done(fiber_block& f, wait_bound until, ambient_stops stops) SENNIT_NO_ANALYSIS {  // park() releases the lock
  if (lost_by_fork(f)) fail(std::errc::operation_not_permitted, "sennit: this fiber belongs to the parent of a fork()");
  waiter& self = current_waiter();
  if (&self == &f) fail(std::errc::resource_deadlock_would_occur, "sennit: a fiber joins itself");
  f.joiners.lock.lock();
  if (f.state.is_done()) {
    f.joiners.lock.unlock();
    return true;
  }
  // A stop that reaches the owner's waits in its scope reaches this child too.
  if (stops == ambient_stops::pass_for_the_scope && !scope_links::is_child_of(f, self)) stops = ambient_stops::end_it;
  wait_node node(self, 0);
  f.joiners.push_back(node);
  const auto woken_by = park(self, {.kind = wait_kind::join,
                                    .object = &f,
                                    .until = until,
                                    .ambient = stops == ambient_stops::end_it,
                                    .held = &f.joiners.lock});
  if (woken_by == 0) return true;
  {
    const spin_guard guard(f.joiners.lock);
    f.joiners.remove(node);
  }
  throw_if_canceled(woken_by);
  return false;
}

void rethrow_failure(fiber_block& f) {
  // Ended, and only the handle's owner joins: nobody else touches the result.
  if (std::exception_ptr failure = f.take_failure()) std::rethrow_exception(std::move(failure));
}

/// Its name and its stop_source; false without memory for them.
bool prepare_rare(fiber_block& f, spawn_options& o) noexcept {
  f.begin_rare();
  const std::string_view name = o.attrs.name;
  if (name.empty() && !o.stop.stop_possible()) [[likely]]
    return true;
  rare_record* const r = f.make_rare();
  if (r == nullptr) return false;
  r->name[name.copy(r->name, sizeof r->name - 1)] = '\0';
  r->stop = std::move(o.stop);
  return true;
}

}  // namespace

fiber_block* spawn(task&& work, spawn_options&& o) {
  scheduler* home = o.home;
  worker* const w = this_worker();
  if (w != nullptr && home == nullptr) home = &w->home;
  if (home == nullptr) {
    fail(std::errc::operation_not_permitted, "sennit: no runtime on this thread: use runtime::spawn or runtime::run");
  }
  if (home->lost_by_fork()) {
    fail(std::errc::operation_not_permitted,
         "sennit: this runtime belongs to the parent of a fork(): start one in the child, or exec");
  }
  if (home->draining()) fail(std::errc::operation_not_permitted, "sennit: spawn after shutdown");
  const stack_class kind = o.attrs.stack_size == 0 ? home->default_stack() : class_for(o.attrs.stack_size);

  // Copies may park: nothing that is known of the thread holds after this.
  const fiber_block* const parent = w != nullptr ? w->running() : nullptr;
  local_map* const own = parent != nullptr ? parent->locals : this_thread_locals();
  std::unique_ptr<local_map> locals;
  if (own != nullptr) [[unlikely]]
    locals = own->copy_for_child();

  fiber_block* f = home->allocate();
  if (f == nullptr || !prepare_rare(*f, o)) {
    if (f != nullptr) {
      f->refs.store(1, relaxed);  // mm:block-refs: nobody has seen it
      scheduler::release(*f, this_worker());
    }
    fail(std::errc::not_enough_memory, "sennit: no memory for a control block");
  }
  f->home = home;
  f->stack_kind = kind;
  f->wait_for = wait_kind::none;
  f->detached.store(o.detached, relaxed);  // mm:detached
  f->yields = 0;
  f->priority = o.attrs.priority;
  f->shields = 0;
  f->pins = o.attrs.pinned ? 1 : 0;
  f->last = nullptr;
  f->ambient_deadline = never;
  f->innermost = nullptr;
  f->owner = o.owner;
  f->is_child = false;
  f->set_fp(current_fp_env());
  f->forks = fork_generation();
  f->id = new_id();
  f->where = o.attrs.where;
  f->give_work(std::move(work));
  f->locals = locals.release();
  f->refs.store(o.detached ? 1 : 2, release);  // mm:block-refs: from here on dumps see it
  if (o.scope != nullptr) {
    try {
      scope_links::adopt(*o.scope, *f);
    } catch (...) {
      f->drop_work();
      local_map::end(f->locals);
      f->state.set_done();
      if (!o.detached) f->refs.fetch_sub(1, acq_rel);  // mm:block-refs: no handle has been made
      scheduler::release(*f, this_worker());
      throw;
    }
  }
  home->start(*f);
  return f;
}

void drop_handle(fiber_block* block) noexcept { scheduler::release(*block, this_worker()); }

bool join(fiber_block* block, wait_bound until) {
  if (block == nullptr) fail(std::errc::invalid_argument, "sennit: join of a fiber that is not joinable");
  return wait_done(*block, until, ambient_stops::end_it);
}

void join_uninterrupted(fiber_block* block) {
  wait_done(*block, {}, ambient_stops::pass);
  rethrow_failure(*block);
}

void take_result(fiber_block* block) {
  const struct handle {
    fiber_block* f;
    ~handle() { drop_handle(f); }
  } guard{block};
  rethrow_failure(*block);
}

void wait_child(fiber_block* block, const stop_token& stop) {
  if (block == nullptr) throw_future_error(std::future_errc::no_state);
  wait_done(*block, {.stop = &stop}, ambient_stops::pass_for_the_scope);
}

void rethrow_child(fiber_block* block) {
  if (const std::exception_ptr failure = block->failure()) std::rethrow_exception(failure);
}

void join_and_check(fiber_block* block) noexcept {
  if (lost_by_fork(*block)) return;
  wait_done(*block, {}, ambient_stops::pass);
  if (block->failure() != nullptr) {
    log(log_level::error, "fiber '%s' ended with an exception that nobody fetched by join()", block->name().data());
    rethrow_failure(*block);  // out of noexcept: terminate, with the exception's message
  }
  drop_handle(block);
}

stop_source stop_source_of(fiber_block* block) {
  const spin_guard guard(block->joiners.lock);
  rare_record* const r = block->make_rare();
  if (r == nullptr) throw std::bad_alloc();
  if (!r->stop.stop_possible()) r->stop = stop_source();
  return r->stop;
}

bool request_stop(fiber_block* block) {
  stop_source source = stop_source_of(block);
  fiber_block* const me = current_fiber();
  if (me != nullptr) ++me->callbacks;
  const bool first = source.request_stop();
  if (me != nullptr) --me->callbacks;
  return first;
}

std::uint64_t id_of(const fiber_block* block) noexcept { return block->id; }

}  // namespace detail

void fiber::detach() {
  if (block_ == nullptr) {
    detail::fail(std::errc::invalid_argument, "sennit: detach of a fiber that is not joinable");
  }
  detail::fiber_block* f = std::exchange(block_, nullptr);
  bool lost = false;
  {
    // With the fiber's own section in fiber_entry: the exception is seen here, or the detaching there.
    const detail::spin_guard guard(f->joiners.lock);
    f->detached.store(true, detail::relaxed);  // mm:detached
    lost = f->failure() != nullptr;
  }
  if (lost) {
    detail::log(log_level::error, "detached fiber '%s' had ended with an exception", f->name().data());
    std::terminate();
  }
  detail::drop_handle(f);
}

unsigned fiber::hardware_concurrency() noexcept { return detail::default_worker_count(); }

std::ostream& operator<<(std::ostream& out, fiber::id i) { return out << i.value(); }

}  // namespace sennit::inline v0

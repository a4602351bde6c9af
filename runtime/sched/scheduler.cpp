#include "sched/scheduler.hpp"

#include <csignal>
#include <cstdio>
#include <mutex>

#include "base/check.hpp"
#include "base/futex.hpp"
#include "base/log.hpp"
#include "base/system.hpp"
#include "fiber/local_map.hpp"
#include "sched/census.hpp"
#include "sched/cpu_count.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "stack/overflow.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr unsigned max_workers = 1024;

options checked(options o) {
  if (o.workers == 0) o.workers = default_worker_count();
  if (o.workers > max_workers) {
    throw std::system_error(
        std::make_error_code(std::errc::invalid_argument),
        "sennit: options::workers = " + std::to_string(o.workers) + " is over " + std::to_string(max_workers));
  }
  return o;
}

/// The result of a fiber that never ran to its end; as in fiber_entry, detach() sees it or is seen after it.
void set_failure(fiber_block& f, std::errc code, const std::string& what) {
  std::exception_ptr failure = std::make_exception_ptr(std::system_error(std::make_error_code(code), what));
  const spin_guard guard(f.joiners.lock);
  f.fail(std::move(failure));
}

/// What fibers that did not end leave behind, for ever: primitives that outlive the runtime may still hold their
/// wait_nodes, which lie on these stacks and point to these blocks.
struct grave {
  std::unique_ptr<stack_pool> stacks;
  block_slab* slab;
  grave* next;
};
constinit atomic<grave*> graves{nullptr};  // keeps them reachable, for leak checkers

void bury(std::unique_ptr<stack_pool> stacks, block_slab* slab) {
  auto* g = new grave{std::move(stacks), slab, graves.load(relaxed)};           // mm:graves
  while (!graves.compare_exchange_weak(g->next, g, order::release, relaxed)) {  // mm:graves
  }
}

}  // namespace

scheduler::scheduler(runtime& face, const options& opts)
    : idle(checked(opts).workers),
      stack_pool_(std::make_unique<stack_pool>(
          stack_pool_options{.resident_budget = opts.stack_budget, .lazy = true, .max_stacks = opts.max_stacks})),
      stacks(*stack_pool_),
      face_(face),
      options_(checked(opts)),
      name_(opts.name),
      host_(opts.host != nullptr ? opts.host : &system_host()),
      default_stack_(class_for(opts.stack_size)),
      slab_(block_slab::make(options_.workers)),
      generation_(fork_generation()),
      monitor_(std::make_unique<monitor>(*this)) {
  prepare_process();
  try {
    for (unsigned i = 0; i < options_.workers; ++i) workers_.push_back(std::make_unique<worker>(*this, i));
    start_threads();
    log(log_level::info, "runtime '%s' begins: %u workers", name_.c_str(), options_.workers);
  } catch (...) {
    stop_threads();
    slab_->close();
    throw;
  }
}

scheduler::~scheduler() {
  stop_threads();  // first: a fiber that did not end may still ask for a part
  log(log_level::info, "runtime '%s' ends", name_.c_str());
  tracer::stop(*this);
  while (!parts_.empty()) parts_.pop_back();
  // A waker of another runtime may still be between queueing the last fiber and waking its worker.
  while (wakers_inside_.load(acquire) != 0) cpu_pause();  // mm:wakers-inside
  const bool stacks_left = abandon_rest();
  for (const auto& w : workers_) {
    io_slot::forget_poller(w->poll);
    slab_->flush(w->blocks);
  }
  workers_.clear();
  if (stacks_left) {
    bury(std::move(stack_pool_), slab_);
  } else {
    slab_->close();
  }
}

void scheduler::start_threads() {
  // Workers inherit a mask that leaves asynchronous signals to the program's own threads.
  const blocked_signals guard;
  for (const auto& w : workers_) {
    const int error = pthread_create(
        &w->thread_, nullptr,
        [](void* p) -> void* {
          auto& self = *static_cast<worker*>(p);
          char text[16];
          std::snprintf(text, sizeof text, "%.10s-%u", self.home.name().c_str(), self.index);
          name_this_thread(text);
          self.run();
          return nullptr;
        },
        w.get());
    if (error != 0) {
      throw std::system_error(error, std::generic_category(),
                              "sennit: cannot start worker " + std::to_string(w->index));
    }
    w->started_ = true;
  }
  monitor_->start();
}

void scheduler::stop_threads() noexcept {
  monitor_->stop();
  phase_.store(phase::stopping, seq_cst);  // mm:phase
  for (const auto& w : workers_) {
    if (!w->started_) continue;
    w->wake();
    {
      const spin_guard guard(w->thread_lock_);
      w->joined_ = true;
    }
    pthread_join(w->thread_, nullptr);
  }
}

// ---- fibers ----

fiber_block* scheduler::allocate() noexcept {
  worker* w = this_worker();
  fiber_block* f = nullptr;
  if (w != nullptr && &w->home == this) {
    const tsan_section on_thread(w->tsan.self());
    f = slab_->allocate(&w->blocks);
  } else {
    f = slab_->allocate(nullptr);
  }
  if (f != nullptr) tsan_acquire(f);
  return f;
}

void scheduler::release(fiber_block& f, worker* w) noexcept {
  if (f.refs.fetch_sub(1, acq_rel) != 1) return;  // mm:block-refs
  f.forget_rare();
  block_slab& slab = block_slab::of(f);
  tsan_release(&f);
  if (w != nullptr && w->home.slab_ == &slab) {
    const tsan_section on_thread(w->tsan.self());
    slab.release(&f, &w->blocks);
  } else {
    slab.release(&f, nullptr);
  }
}

bool scheduler::hold_fibers(std::size_t part, std::vector<fiber_block*>& out) {
  out.reserve(block_slab::blocks_per_chunk);
  return slab_->for_each_in_chunk(part, [&](fiber_block& f) {
    if (f.hold()) out.push_back(&f);
  });
}

const fiber_block* scheduler::fiber_at(const waiter* at) const noexcept {
  return slab_->contains(at) ? static_cast<const fiber_block*>(at) : nullptr;
}

void scheduler::start(fiber_block& f) noexcept {
  worker* w = this_worker();
  SENNIT_PROBE2(spawn, f.id, f.name().data());
  if (w != nullptr && &w->home == this) {
    w->counters.spawned.add();
    w->record(trace_kind::spawn, f.id);
  } else {
    if (trace_outside.on()) trace_outside.record({.at = host_->now(), .kind = trace_kind::spawn, .fiber = f.id});
    spawned_outside_.fetch_add(1, seq_cst);  // mm:spawned-outside
  }
  if (f.pinned()) {
    const bool here = w != nullptr && &w->home == this;
    f.last = here ? w : workers_[f.id % workers_.size()].get();
  }
  // Draining began after the caller looked: then its sweep may have missed this fiber.
  if (draining()) static_cast<void>(f.state.request_stop());
  make_ready(f);
  // The parent may compute for long before it lets the child run here.
  if (w != nullptr) notify();
}

void scheduler::make_ready(fiber_block& f) noexcept {
  worker* w = this_worker();
  end_wait(f);
  tsan_release(&f);
  if (w != nullptr && &w->home == this) {
    const tsan_section on_thread(w->tsan.self());
    tsan_acquire(&f);
    if (f.may_run_next() && !options_.force_migrate) [[likely]] {
      // Alone in the slot it runs next, here: waking another worker for it would only cost. What it displaces is for
      // all, and so is what would wait long.
      if (w->push_next(&f) || w->wants_help()) notify();
    } else {
      const bool for_all = !f.pinned();
      requeue(*w, f);
      if (for_all) notify();
    }
    return;
  }
  // The fiber may run, end, and its runtime be destroyed as soon as it is queued: the count keeps the runtime.
  wakers_inside_.fetch_add(1, relaxed);  // mm:wakers-inside: the fiber itself keeps the runtime until it is queued
  fiber_chain one;
  one.push_back(&f);
  inject(std::move(one));
  wakers_inside_.fetch_sub(1, order::release);  // mm:wakers-inside: our last access
}

void scheduler::requeue(worker& w, fiber_block& f) noexcept {
  if (f.pinned()) {
    if (f.last == &w) {
      w.mailbox_.push(&f);  // our own: awake
    } else {
      f.last->push_mailbox(&f);
    }
  } else if (options_.force_migrate && workers_.size() > 1) {
    const unsigned hop =
        1 + migrate_turn_.fetch_add(1, relaxed) % static_cast<unsigned>(workers_.size() - 1);  // mm:migrate-turn
    const unsigned from = f.last != nullptr ? f.last->index : w.index;
    workers_[(from + hop) % workers_.size()]->push_mailbox(&f);
  } else {
    w.push_back(&f);
  }
}

void scheduler::requeue(worker& w, fiber_chain&& chain) noexcept {
  while (fiber_block* f = chain.pop_front()) {
    end_wait(*f);
    if (f->urgent() && !options_.force_migrate) [[unlikely]] {
      w.push_next(f);
    } else {
      requeue(w, *f);
    }
  }
}

void scheduler::inject(fiber_chain&& chain) noexcept {
  fiber_chain free;
  while (fiber_block* f = chain.pop_front()) {
    end_wait(*f);
    if (f->pinned()) {
      f->last->push_mailbox(f);
    } else {
      free.push_back(f);
    }
  }
  if (free.empty()) return;
  injected.push(std::move(free));
  notify();
}

void scheduler::notify() noexcept {
  const unsigned w = idle.choose_to_wake();
  if (w != idle_set::nobody) workers_[w]->wake();
}

void scheduler::worker_woke() noexcept { monitor_->worker_woke(); }

bool scheduler::any_work() const noexcept {
  if (!injected.empty()) return true;
  for (const auto& w : workers_) {
    if (w->has_shared_work()) return true;
  }
  return false;
}

scheduler_part& scheduler::part(make_part make) {
  const std::lock_guard lock(part_mutex_);
  for (const auto& [maker, made] : parts_) {
    if (maker == make) return *made;
  }
  return *parts_.emplace_back(make, make()).second;
}

// ---- stack shortage ----

void scheduler::starve(fiber_block* f, std::error_code why) noexcept {
  starved_.push(f);
  std::uint64_t returned = 0;
  std::uint64_t bound = 0;
  for (const auto& w : workers_) returned += w->counters.unbound.get();
  for (const auto& w : workers_) bound += w->counters.bound.get();
  if (returned != bound) return;
  // Nobody has a stack that could come free: waiting would hang.
  fiber_chain all = starved_.pop(~std::size_t{0});
  while (fiber_block* hungry = all.pop_front()) {
    hungry->drop_work();
    set_failure(*hungry, std::errc::not_enough_memory, "sennit: no stack: " + why.message());
    if (hungry->detached.load(relaxed) && hungry->owner == nullptr) {  // mm:detached
      log(log_level::error, "no stack for detached fiber '%s': %s", hungry->name().data(), why.message().c_str());
      std::terminate();
    }
    local_map::end(hungry->locals);
    conclude(*this, this_worker(), *hungry);
  }
}

void scheduler::feed() noexcept {
  // May miss a fiber that starves at this moment: the monitor feeds too, at every tick and before it sleeps.
  if (starved_.empty()) [[likely]]
    return;
  inject(starved_.pop(1));
}

// ---- shutdown ----

bool scheduler::all_ended() const noexcept {
  // Ended first: what is spawned meanwhile makes the sums differ, and ended never exceeds spawned.
  std::uint64_t ended = 0;
  std::uint64_t spawned = 0;
  for (const auto& w : workers_) ended += w->counters.finished.get();
  storeload_fence();
  for (const auto& w : workers_) spawned += w->counters.spawned.get();
  spawned += spawned_outside_.load(seq_cst);  // mm:spawned-outside
  return ended == spawned;
}

void scheduler::fiber_ended() noexcept {
  if (!draining()) [[likely]]
    return;
  ended_.fetch_add(1, seq_cst);  // mm:ended
  futex_wake(ended_.address(), 1);
}

void scheduler::stop_all_fibers() noexcept {
  fiber_chain woken;
  slab_->for_each([&](fiber_block& f) {
    if (!f.state.is_done() && f.state.request_stop() && f.state.may_run()) woken.push_back(&f);
  });
  inject(std::move(woken));
}

bool scheduler::shutdown(nanos timeout) {
  SENNIT_CHECK(this_worker() == nullptr, "shut a runtime down from a plain thread, not from a fiber");
  phase expected = phase::running;
  const nanos deadline = add_nanos(host_->now(), timeout);
  if (phase_.compare_exchange_strong(expected, phase::draining, seq_cst, seq_cst)) stop_all_fibers();  // mm:phase
  for (;;) {
    const std::uint32_t seen = ended_.load(seq_cst);  // mm:ended
    if (all_ended()) return true;
    const nanos now = host_->now();
    if (now >= deadline) break;
    // A fiber that ended just before it could see the phase bumps nothing: look again soon.
    futex_wait(ended_.address(), seen, std::min(deadline, now + 5'000'000));
  }
  name_the_rest();
  return false;
}

void scheduler::name_the_rest() noexcept try {
  constexpr std::size_t most_named = 20;
  std::size_t rest = 0;
  take_census(*this, nullptr, [&](const fiber_view& f) {
    if (++rest > most_named) return;
    log(log_level::warn, "shutdown of '%s': %s; it did not end, its destructors do not run", name_.c_str(),
        line_of(f).c_str());
  });
  if (rest > most_named)
    log(log_level::warn, "shutdown of '%s': the same of %zu others", name_.c_str(), rest - most_named);
} catch (const std::bad_alloc&) {
  log(log_level::warn, "shutdown of '%s': no memory to say who did not end", name_.c_str());
}

bool scheduler::abandon_rest() noexcept {
  // Threads of ours have ended: what is left can only be waited for from outside.
  std::vector<fiber_block*> rest;
  slab_->for_each([&](fiber_block& f) {
    if (!f.state.is_done()) rest.push_back(&f);
  });
  bool stacks_left = false;
  std::vector<task> never_run;  // destroyed last: they may hold handles, whose destructors join
  for (fiber_block* f : rest) {
    if (f->has_work) never_run.push_back(f->take_work());
    stacks_left = stacks_left || f->slot != nullptr;
    // Its nodes stay linked in whatever it waits for: from now on whoever finds them loses.
    static_cast<void>(f->state.claim(f->state.epoch(), case_stop));
    if (f->is_child) f->owner = nullptr;
    f->exits = {};  // nobody runs them
    // Values that it has used stay in its block, in the grave; it never saw those that it was spawned with.
    if (f->slot == nullptr) local_map::end(f->locals);
    set_failure(*f, std::errc::operation_canceled, "sennit: the runtime was shut down before the fiber ended");
    conclude(*this, nullptr, *f);
  }
  return stacks_left;
}

runtime_stats scheduler::stats() const {
  runtime_stats s;
  for (const auto& w : workers_) {
    const worker_counters& c = w->counters;
    s.spawned += c.spawned.get();
    s.finished += c.finished.get();
    s.switches += w->switches();
    s.parks += c.parks.get();
    s.steals += c.steals.get();
    s.polls += c.polls.get();
    s.poll_events += c.poll_events.get();
    s.registrations += c.registrations.get();
    s.reads += c.reads.get();
    s.writes += c.writes.get();
    s.wakes += c.wakes.get();
    s.sleeps += c.sleeps.get();
    s.stacks_in_use += c.bound.get() - c.unbound.get();
  }
  s.spawned += spawned_outside_.load(seq_cst);  // mm:spawned-outside
  s.takeovers = monitor_->takeovers();
  s.stalls = monitor_->stalls();
  s.deadlocks = monitor_->deadlocks();
  s.stacks_cached = stacks.stats().cached;
  s.workers = static_cast<unsigned>(workers_.size());
  return s;
}

}  // namespace sennit::inline v0::detail

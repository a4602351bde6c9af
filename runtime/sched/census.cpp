#include "sched/census.hpp"

#include <algorithm>
#include <array>

#include <sennit/mutex.hpp>

#include "base/address_text.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/stack_probe.hpp"

namespace sennit::inline v0::detail {

/// Knows the inside of what fibers wait for.
class wait_target {
 public:
  /// Who must do something before `f` goes on; null if that may be anybody.
  static const waiter* holder(const fiber_block& f) noexcept {
    switch (f.wait_for) {
      case wait_kind::join: return static_cast<const fiber_block*>(f.wait.object);
      case wait_kind::mutex: return static_cast<const mutex*>(f.wait.object)->owner();
      default: return nullptr;
    }
  }
};

namespace {

/// References to some of the fibers, which keep their blocks from being used for others.
class held_fibers {
 public:
  held_fibers(scheduler& home, std::size_t part) : there_is_one_(home.hold_fibers(part, all_)) {}
  ~held_fibers() {
    for (fiber_block* f : all_) scheduler::release(*f, this_worker());
  }
  held_fibers(const held_fibers&) = delete;
  held_fibers& operator=(const held_fibers&) = delete;
  explicit operator bool() const noexcept { return there_is_one_; }
  [[nodiscard]] const std::vector<fiber_block*>& all() const noexcept { return all_; }

 private:
  std::vector<fiber_block*> all_;
  const bool there_is_one_;
};

/// While it lives, a fiber that is parked does not run, whoever wakes it.
class inspection {
 public:
  explicit inspection(fiber_block& f) noexcept : f_(f), parked_(f.state.begin_inspect()) {}
  ~inspection() {
    if (parked_ && f_.state.end_inspect()) f_.home->make_ready(f_);
  }
  inspection(const inspection&) = delete;
  inspection& operator=(const inspection&) = delete;
  [[nodiscard]] bool parked() const noexcept { return parked_; }

 private:
  fiber_block& f_;
  const bool parked_;
};

void look_at_wait(const fiber_block& f, fiber_view& out) {
  out.state = fiber_view::how::parked;
  out.worker = f.last->index;
  out.wait_for = f.wait_for;
  out.object = f.wait.object;
  out.holder = wait_target::holder(f);
  out.epoch = f.state.epoch();
  out.since = f.wait.since;
  // A timer of an earlier wait has an earlier epoch.
  if (f.wait.timer.epoch == f.state.epoch()) out.deadline = f.wait.timer.deadline;
  // The fiber is inside an operation on the slot, which keeps its descriptor.
  if (f.wait_for == wait_kind::read || f.wait_for == wait_kind::write) {
    out.fd = static_cast<const io_slot*>(f.wait.object)->fd();
  }
}

void look_at_stack(const fiber_block& f, fiber_view& out) {
  out.stack_reserved = usable_bytes(f.stack_kind);
  out.stack_resident = resident_bytes(f.memory());
  out.stack_high_water = high_water(f.memory());
  std::array<const void*, 64> frames{};
  const std::size_t depth = walk_suspended(f.ctx, frames);
  out.backtrace.assign(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(depth));
}

/// Whoever held a mutex a moment ago may have ended by now, and another fiber be made of its block.
SENNIT_NO_TSAN std::optional<std::uint64_t> number_of(const fiber_block* f) noexcept {
  return f != nullptr ? std::optional(f->id) : std::nullopt;
}

fiber_view view_of(fiber_block& f, scheduler& home, void (*look)(fiber_view& seen)) {
  fiber_view seen;
  seen.id = f.id;
  seen.name = f.name();
  seen.where = f.where;
  if (const inspection looking(f); looking.parked()) {
    look_at_wait(f, seen);
    if (look != nullptr) {
      look_at_stack(f, seen);
      look(seen);
    }
    if (seen.holder != nullptr) seen.holder_id = number_of(home.fiber_at(seen.holder));
    return seen;
  }
  for (const auto& w : home.workers()) {
    if (w->seen_running() != &f) continue;
    seen.state = fiber_view::how::running;
    seen.worker = w->index;
    if (look == nullptr) continue;
    if (probed_stack found = probe_stack(*w); found.id == f.id) seen.backtrace = std::move(found.frames);
  }
  return seen;
}

}  // namespace

std::string line_of(const fiber_view& f) {
  std::string out = "fiber " + std::to_string(f.id) + " '" + f.name + "' ";
  switch (f.state) {
    case fiber_view::how::ready: out += "is runnable"; break;
    case fiber_view::how::running: out += "runs"; break;
    case fiber_view::how::parked: {
      out += "waits for " + std::string(name_of(f.wait_for));
      if (f.holder_id && f.wait_for == wait_kind::join) {
        out += " of fiber " + std::to_string(*f.holder_id);
        break;
      }
      out += " at " + address_text(f.object);
      if (f.holder_id) out += ", held by fiber " + std::to_string(*f.holder_id);
      break;
    }
  }
  return out + "; spawned at " + f.where.file_name() + ":" + std::to_string(f.where.line());
}

void take_census(scheduler& home, void (*look)(fiber_view& seen), const std::function<void(fiber_view&& seen)>& each) {
  for (std::size_t part = 0;; ++part) {
    const held_fibers held(home, part);
    if (!held) return;
    for (fiber_block* f : held.all()) {
      if (!f->state.is_done()) each(view_of(*f, home, look));
    }
  }
}

}  // namespace sennit::inline v0::detail

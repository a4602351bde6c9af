#include "sched/deadlock.hpp"

#include <algorithm>

namespace sennit::inline v0::detail {
namespace {

/// Can what it waits for come from outside of the process, or from a helper?
bool comes_from_outside(wait_kind kind) noexcept {
  switch (kind) {
    case wait_kind::none:
    case wait_kind::sleep:
    case wait_kind::read:
    case wait_kind::write:
    case wait_kind::descriptor:
    case wait_kind::helper:
    case wait_kind::select:  // any of the others may be a case of it
    case wait_kind::stack:
    case wait_kind::timer: return true;
    default: return false;
  }
}

one_wait wait_of(const fiber_view& f) noexcept { return {.fiber = f.id, .epoch = f.epoch, .holder = f.holder_id}; }

}  // namespace

void wait_graph::add(const fiber_view& f) {
  const bool lasts = f.state == fiber_view::how::parked && f.deadline == never;
  if (others_only_ && (!lasts || comes_from_outside(f.wait_for))) {
    others_only_ = false;
    std::erase_if(waits_, [](const one_wait& w) { return !w.holder; });
  }
  if (lasts && (others_only_ || f.holder_id)) waits_.push_back(wait_of(f));
}

std::vector<one_wait> wait_graph::circle() {
  constexpr std::size_t none = SIZE_MAX;
  std::ranges::sort(waits_, {}, &one_wait::fiber);
  const auto next_of = [&](std::size_t at) {
    if (!waits_[at].holder) return none;
    const auto next = std::ranges::lower_bound(waits_, *waits_[at].holder, {}, &one_wait::fiber);
    return next != waits_.end() && next->fiber == waits_[at].holder ? static_cast<std::size_t>(next - waits_.begin())
                                                                    : none;
  };
  // Each has at most one next: a walk that meets its own trail has found a circle.
  std::vector<std::size_t> trail_of(waits_.size(), none);
  for (std::size_t start = 0; start < waits_.size(); ++start) {
    std::size_t at = start;
    while (at != none && trail_of[at] == none) {
      trail_of[at] = start;
      at = next_of(at);
    }
    if (at == none || trail_of[at] != start) continue;
    std::vector<one_wait> circle;
    const std::size_t first = at;
    do {
      circle.push_back(waits_[at]);
      at = next_of(at);
    } while (at != first);
    return circle;
  }
  return {};
}

std::vector<one_wait> wait_graph::all_if_none_can_move() const {
  return others_only_ ? waits_ : std::vector<one_wait>();
}

std::string lines_of(const std::vector<one_wait>& waits, std::vector<fiber_view> seen) {
  std::ranges::sort(seen, {}, &fiber_view::id);
  std::string out;
  for (const one_wait& w : waits) {
    const auto f = std::ranges::lower_bound(seen, w.fiber, {}, &fiber_view::id);
    if (f == seen.end() || f->state != fiber_view::how::parked || wait_of(*f) != w) return {};
    out += "\n    " + line_of(*f);
  }
  return out;
}

}  // namespace sennit::inline v0::detail

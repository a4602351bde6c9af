#include "sched/deadlock.hpp"

#include <algorithm>

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t none = SIZE_MAX;

std::size_t index_of(const std::vector<fiber_view>& all, std::uint64_t id) noexcept {
  const auto found = std::ranges::lower_bound(all, id, {}, &fiber_view::id);
  return found != all.end() && found->id == id ? static_cast<std::size_t>(found - all.begin()) : none;
}

/// Whom it waits for: an index into `all`.
std::size_t next_of(const std::vector<fiber_view>& all, const fiber_view& f) noexcept {
  if (f.state != fiber_view::how::parked || f.deadline != never || !f.holder_id) return none;
  return index_of(all, *f.holder_id);
}

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

}  // namespace

one_wait wait_of(const fiber_view& f) noexcept { return {.fiber = f.id, .epoch = f.epoch, .holder = f.holder_id}; }

bool are_among(const std::vector<one_wait>& waits, const std::vector<fiber_view>& all) noexcept {
  return std::ranges::all_of(waits, [&](const one_wait& w) {
    const std::size_t at = index_of(all, w.fiber);
    return at != none && all[at].state == fiber_view::how::parked && wait_of(all[at]) == w;
  });
}

std::vector<const fiber_view*> find_circle(const std::vector<fiber_view>& all) {
  // Each has at most one next: a walk that meets its own trail has found a circle.
  std::vector<std::size_t> trail_of(all.size(), none);
  for (std::size_t start = 0; start < all.size(); ++start) {
    std::size_t at = start;
    while (at != none && trail_of[at] == none) {
      trail_of[at] = start;
      at = next_of(all, all[at]);
    }
    if (at == none || trail_of[at] != start) continue;
    std::vector<const fiber_view*> circle;
    const std::size_t first = at;
    do {
      circle.push_back(&all[at]);
      at = next_of(all, all[at]);
    } while (at != first);
    return circle;
  }
  return {};
}

bool all_wait_for_others(const std::vector<fiber_view>& all) noexcept {
  return !all.empty() && std::ranges::all_of(all, [](const fiber_view& f) {
    return f.state == fiber_view::how::parked && f.deadline == never && !comes_from_outside(f.wait_for);
  });
}

std::string waits_of(const std::vector<const fiber_view*>& fibers) {
  std::string out;
  for (const fiber_view* f : fibers) out += "\n    " + line_of(*f);
  return out;
}

}  // namespace sennit::inline v0::detail

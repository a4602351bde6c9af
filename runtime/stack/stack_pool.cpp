#include "stack/stack_pool.hpp"

#include <algorithm>
#include <limits>
#include <new>

#include "stack/stack_error.hpp"

namespace sennit::inline v0::detail {
namespace {

/// Of small and normal stacks one in so many is looked at; the others count as much as those did of late.
constexpr std::uint32_t sample_of = 8;

// Stacks, by one give_back(): less than a millisecond for either.
constexpr std::size_t measured_at_once = 512;
constexpr std::size_t given_back_at_once = 1024;

}  // namespace

std::error_code stack_pool::allocate(stack_class cls, stack& out) noexcept {
  std::byte* slot = nullptr;
  std::size_t made = 0;
  const auto error = allocate(cls, {&slot, 1}, made);
  if (!error) out = {slot, cls};
  return error;
}

std::error_code stack_pool::allocate(stack_class cls, std::span<std::byte*> slots, std::size_t& made) noexcept {
  const lock held(mutex_);
  shelf& from = shelves_[index_of(cls)];
  std::error_code error;
  made = 0;
  for (; made < slots.size() && !from.warm.empty(); ++made) slots[made] = pop_warm(from, held);
  for (; made < slots.size() && !from.cold.empty(); ++made) {
    slots[made] = from.cold.back();
    from.cold.pop_back();
  }
  stats_.cached -= made;
  while (made < slots.size() && !error) {
    const std::size_t wanted = std::min(slots.size() - made, options_.max_stacks - made_);
    if (wanted == 0) {
      error = stack_errc::pool_limit;
    } else if (from.arenas.empty() || from.arenas.back().left() == 0) {
      error = grow(cls, from, held);
    } else {
      std::size_t carved = 0;
      error = from.arenas.back().carve(slots.subspan(made, wanted), carved);
      made += carved;
      made_ += carved;
    }
  }
  stats_.in_use += made;
  stats_.high_water = std::max(stats_.high_water, stats_.in_use);
  return made == 0 ? error : std::error_code();
}

std::error_code stack_pool::grow(stack_class cls, shelf& from, const lock&) noexcept {
  try {
    // Room for every slot of the class on both shelves: release() never allocates. Doubling, so that 10 million stacks
    // do not copy their shelves once per arena.
    const std::size_t slots = (from.arenas.size() + 1) * slots_per_arena(cls);
    if (from.warm.capacity() < slots) from.warm.reserve(std::max(slots, 2 * from.warm.capacity()));
    if (from.cold.capacity() < slots) from.cold.reserve(std::max(slots, 2 * from.cold.capacity()));
    arena made;
    if (const auto error = arena::map(cls, options_.guards, made)) return error;
    from.arenas.push_back(std::move(made));
  } catch (const std::bad_alloc&) {
    return stack_errc::no_memory;
  }
  ++stats_.arenas;
  return {};
}

void stack_pool::release(stack s) noexcept { release(s.cls, {&s.slot, 1}); }

void stack_pool::release(stack_class cls, std::span<std::byte* const> slots) noexcept {
  while (!slots.empty()) {
    const auto batch = slots.first(std::min(slots.size(), advise_batch));
    slots = slots.subspan(batch.size());
    std::array<std::byte*, advise_batch> excess;
    std::size_t count = 0;
    {
      const lock held(mutex_);
      put_warm(cls, batch, held);
      // Most stacks are used by a page or two, but nobody knows which: looking costs 0.4 us each. As long as even
      // fully used ones would fit in the budget nobody asks; then a sample of them is looked at.
      if (options_.lazy) continue;
      if (warm_bytes_ > options_.resident_budget) measure(held, std::numeric_limits<std::size_t>::max());
      shelf& to = shelves_[index_of(cls)];
      while (warm_bytes_ > options_.resident_budget) excess[count++] = pop_warm(to, held);
    }
    give_back(cls, {excess.data(), count});
  }
}

/// Without the lock: the kernel interrupts other CPUs meanwhile. Nobody else knows these slots.
void stack_pool::give_back(stack_class cls, std::span<std::byte* const> slots) noexcept {
  if (slots.empty()) return;
  trim(cls, slots);
  const lock held(mutex_);
  auto& cold = shelves_[index_of(cls)].cold;
  cold.insert(cold.end(), slots.begin(), slots.end());
  stats_.trims += slots.size();
}

bool stack_pool::give_back() noexcept {
  const auto all_are_untouched = [this](const lock&) {
    for (shelf& s : shelves_) s.untouched = s.warm.size();
    return false;
  };
  {
    const lock held(mutex_);
    if (warm_bytes_ <= options_.resident_budget) return all_are_untouched(held);
    if (!measure(held, measured_at_once)) return true;
  }
  std::size_t given = 0;
  for (std::size_t i = 0; i < stack_classes && given < given_back_at_once;) {
    std::array<std::byte*, advise_batch> excess;
    std::size_t count = 0;
    {
      const lock held(mutex_);
      shelf& from = shelves_[i];
      while (from.untouched > 0 && count < excess.size() && warm_bytes_ > options_.resident_budget) {
        const auto& last = from.warm[--from.untouched];
        excess[count++] = last.slot;
        warm_bytes_ -= last.bytes;
      }
      const auto hole = from.warm.begin() + static_cast<std::ptrdiff_t>(from.untouched);
      from.warm.erase(hole, hole + static_cast<std::ptrdiff_t>(count));
      from.measured -= count;
    }
    give_back(static_cast<stack_class>(i), {excess.data(), count});
    given += count;
    if (count < excess.size()) ++i;
  }
  if (given >= given_back_at_once) return true;
  const lock held(mutex_);
  return all_are_untouched(held);
}

bool stack_pool::above_budget() const noexcept {
  const lock held(mutex_);
  return warm_bytes_ > options_.resident_budget;
}

void stack_pool::put_warm(stack_class cls, std::span<std::byte* const> slots, const lock&) noexcept {
  auto& warm = shelves_[index_of(cls)].warm;
  for (std::byte* const slot : slots) warm.push_back({slot, usable_bytes(cls)});
  warm_bytes_ += slots.size() * usable_bytes(cls);
  stats_.in_use -= slots.size();
  stats_.cached += slots.size();
}

std::byte* stack_pool::pop_warm(shelf& from, const lock&) noexcept {
  const auto last = from.warm.back();
  from.warm.pop_back();
  from.measured = std::min(from.measured, from.warm.size());
  from.untouched = std::min(from.untouched, from.warm.size());
  warm_bytes_ -= last.bytes;
  return last.slot;
}

bool stack_pool::measure(const lock&, std::size_t most) noexcept {
  for (std::size_t i = 0; i < stack_classes; ++i) {
    const auto cls = static_cast<stack_class>(i);
    shelf& of = shelves_[i];
    for (; of.measured < of.warm.size(); ++of.measured, --most) {
      if (most == 0) return false;
      auto& [slot, bytes] = of.warm[of.measured];
      warm_bytes_ -= bytes;
      if (cls > stack_class::normal || of.typical == 0 || random_.below(sample_of) == 0) {
        bytes = resident_bytes({slot, cls});
        of.typical = of.typical == 0 ? bytes : (of.typical * (sample_of - 1) + bytes) / sample_of;
      } else {
        bytes = of.typical;
      }
      warm_bytes_ += bytes;
    }
  }
  return true;
}

stack_stats stack_pool::stats() const {
  const lock held(mutex_);
  stack_stats now = stats_;
  now.cached_bytes = warm_bytes_;
  return now;
}

guard_kind stack_pool::guards(stack_class cls) const {
  const lock held(mutex_);
  const auto& arenas = shelves_[index_of(cls)].arenas;
  return arenas.empty() ? guard_kind::automatic : arenas.back().guards();
}

}  // namespace sennit::inline v0::detail

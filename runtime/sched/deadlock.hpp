#pragma once
// Fibers that wait for each other.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sched/census.hpp"

namespace sennit::inline v0::detail {

/// A wait, which no other one of any fiber equals.
struct one_wait {
  std::uint64_t fiber = 0;
  std::uint32_t epoch = 0;
  std::optional<std::uint64_t> holder;
  bool operator==(const one_wait&) const = default;
};

/// Of one that is parked.
[[nodiscard]] one_wait wait_of(const fiber_view& f) noexcept;
[[nodiscard]] bool are_among(const std::vector<one_wait>& waits, const std::vector<fiber_view>& all) noexcept;

/// Fibers of which each waits, without a deadline, for a mutex that the next one holds or for the end of the next one,
/// and the last for the first: none goes on, unless a join among them is stopped. Of one circle; empty if there is
/// none. Points into `all`, which is ordered by id.
[[nodiscard]] std::vector<const fiber_view*> find_circle(const std::vector<fiber_view>& all);

/// Whether every fiber waits, without a deadline, for what only another fiber or a plain thread can do.
[[nodiscard]] bool all_wait_for_others(const std::vector<fiber_view>& all) noexcept;

/// A line, begun by a newline, for each fiber: what it waits for, and where it was spawned.
[[nodiscard]] std::string waits_of(const std::vector<const fiber_view*>& fibers);

}  // namespace sennit::inline v0::detail

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

/// What a search for deadlocks keeps of a census: nothing of a fiber that is in no lasting wait for another one.
class wait_graph {
 public:
  void add(const fiber_view& f);
  /// Fibers of which each waits, without a deadline, for a mutex that the next one holds or for the end of the next
  /// one, and the last for the first: none goes on, unless a join among them is stopped. Of one circle; empty if there
  /// is none.
  [[nodiscard]] std::vector<one_wait> circle();
  /// All, if each waits, without a deadline, for what only another fiber or a plain thread can do; else empty.
  [[nodiscard]] std::vector<one_wait> all_if_none_can_move() const;

 private:
  std::vector<one_wait> waits_;  // those for a fiber; and all, as long as they are all there are
  bool others_only_ = true;
};

/// A line, begun by a newline, for each fiber: what it waits for, and where it was spawned. Empty if one of them is in
/// this wait no longer. `seen`: of a later census, these at least.
[[nodiscard]] std::string lines_of(const std::vector<one_wait>& waits, std::vector<fiber_view> seen);

}  // namespace sennit::inline v0::detail

#pragma once
// What fibers there are and what they do, for whoever looks from outside.
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

class scheduler;

/// One fiber at one moment: a copy.
struct fiber_view {
  enum class how : std::uint8_t { ready, running, parked };

  std::uint64_t id = 0;
  std::string name;
  std::source_location where;
  how state = how::ready;
  std::optional<unsigned> worker;  // not of one that is ready
  // Of one that is parked:
  wait_kind wait_for = wait_kind::none;
  const void* object = nullptr;
  int fd = -1;
  nanos since = 0;
  nanos deadline = never;
  std::size_t stack_reserved = 0;
  std::size_t stack_resident = 0;
  std::size_t stack_high_water = 0;
  std::vector<const void*> backtrace;
};

/// All fibers that have not ended, by id. Any thread; `home` must stay.
[[nodiscard]] std::vector<fiber_view> take_census(scheduler& home);

}  // namespace sennit::inline v0::detail

#pragma once
// What fibers there are and what they do, for whoever looks from outside.
#include <array>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
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
  const waiter* holder = nullptr;          // who is waited for
  std::optional<std::uint64_t> holder_id;  // if that is a fiber of this runtime
  int fd = -1;
  std::string socket;
  std::uint32_t epoch = 0;  // of this wait: another one of the same fiber has another
  nanos since = 0;
  nanos deadline = never;
  std::size_t stack_reserved = 0;
  std::size_t stack_resident = 0;
  std::size_t stack_high_water = 0;
  std::vector<const void*> backtrace;
};

/// By wait_kind.
inline constexpr std::array<const char*, wait_kinds> wait_names{"",
                                                                "sleep",
                                                                "mutex",
                                                                "shared_mutex",
                                                                "condition_variable",
                                                                "semaphore",
                                                                "latch",
                                                                "barrier",
                                                                "call_once",
                                                                "channel send",
                                                                "channel receive",
                                                                "event",
                                                                "future",
                                                                "wait_group",
                                                                "scope",
                                                                "join",
                                                                "read",
                                                                "write",
                                                                "descriptor",
                                                                "helper thread",
                                                                "select",
                                                                "stack",
                                                                "timer"};
[[nodiscard]] constexpr std::string_view name_of(wait_kind kind) noexcept {
  return wait_names[static_cast<std::size_t>(kind)];
}
static_assert(name_of(wait_kind::join) == "join" && name_of(wait_kind::timer) == "timer");

/// "fiber 17 'reader' waits for mutex at 0x7f..., held by fiber 3; spawned at main.cpp:40"
[[nodiscard]] std::string line_of(const fiber_view& f);

/// Calls `each` with all fibers that have not ended, in no order, one at a time: what is not kept of one is gone with
/// it. `look`, of a higher floor that knows the object, adds to what is seen of one that is parked, while it cannot
/// run: what it waits on is there. Null: stacks are not looked at either, which takes most of the time. Any thread;
/// `home` must stay. Throws bad_alloc, and what `each` throws.
void take_census(scheduler& home, void (*look)(fiber_view& seen), const std::function<void(fiber_view&& seen)>& each);

}  // namespace sennit::inline v0::detail

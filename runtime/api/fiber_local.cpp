#include <sennit/fiber_local.hpp>

#include "fiber/local_map.hpp"
#include "fiber/local_registry.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"

namespace sennit::inline v0::detail {
namespace {

/// Where the caller's values are: of the thread only on a plain thread, so never kept over a switch.
local_map*& callers_map() noexcept {
  fiber_block* const f = current_fiber();
  return f != nullptr ? f->locals : this_thread_locals();
}

}  // namespace

local_key::local_key() : slot_(local_registry::of_process().add()) {}

local_key::~local_key() { local_registry::of_process().remove(slot_); }

local_node* local_find(const local_slot& slot) noexcept {
  const local_map* const map = callers_map();
  return map != nullptr ? map->find(slot) : nullptr;
}

void local_insert(std::unique_ptr<local_node> made) {
  local_map*& map = callers_map();
  if (map == nullptr) {
    map = new local_map;
    if (current_fiber() == nullptr) end_locals_with_thread();
  }
  map->insert(std::move(made));
}

void local_reset(const local_slot& slot) noexcept {
  if (local_map* const map = callers_map()) map->remove(slot);
}

}  // namespace sennit::inline v0::detail

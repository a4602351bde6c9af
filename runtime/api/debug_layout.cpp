#include "api/debug_layout.hpp"

#include <cstddef>

#include "sched/census.hpp"
#include "sched/scheduler.hpp"

#pragma GCC diagnostic ignored "-Winvalid-offsetof"

#if defined(__ELF__) && !defined(SENNIT_CONTEXT_IS_BOOST)
extern "C" const char sennit_switch_suspended[];
#endif

namespace sennit::inline v0::detail {

/// A friend of what it describes.
struct debug_layout {
  static sennit_debug_table table() noexcept {
    sennit_debug_table t{};
    t.scheduler_name = offsetof(scheduler, name_);
    t.scheduler_slab = offsetof(scheduler, slab_);
    t.scheduler_workers = offsetof(scheduler, workers_);
    t.worker_index = offsetof(worker, index);
    t.worker_running = offsetof(worker, running_);
    t.worker_thread = offsetof(worker, thread_);
    t.worker_now = offsetof(worker, now_);
    t.slab_chunks = offsetof(block_slab, chunks_);
    t.blocks_in_chunk = block_slab::blocks_per_chunk;
    t.block_bytes = sizeof(fiber_block);
    t.block_refs = offsetof(fiber_block, refs);
    t.block_state = offsetof(fiber_block, state);
    t.block_id = offsetof(fiber_block, id);
    t.block_rare = offsetof(fiber_block, rare);
    t.rare_name = offsetof(rare_record, name);
    t.block_where = offsetof(fiber_block, where);
    t.block_wait_for = offsetof(fiber_block, wait_for);
    t.block_object = offsetof(fiber_block, wait.object);
    t.block_since = offsetof(fiber_block, wait.since);
    t.block_sp = offsetof(fiber_block, ctx.sp);
    t.block_last = offsetof(fiber_block, last);
    t.block_stack = offsetof(fiber_block, slot);
    t.state_parked = state_word::parked;
    t.state_done = state_word::done;
    t.wait_kinds = wait_kinds;
    t.wait_names = reinterpret_cast<std::uintptr_t>(wait_names.data());
    t.node_who = offsetof(wait_node, who);
    t.node_next = offsetof(wait_node, next);
#if defined(__ELF__) && !defined(SENNIT_CONTEXT_IS_BOOST)
    t.suspended = reinterpret_cast<std::uintptr_t>(sennit_switch_suspended);
#endif
    return t;
  }
};

}  // namespace sennit::inline v0::detail

[[gnu::visibility("default")]] sennit_debug_table sennit_debug_layout = sennit::detail::debug_layout::table();

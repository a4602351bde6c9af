#pragma once
// Where a debugger finds the fibers, also in a core file and without debug information: tools/sennit-gdb.py reads this.
#include <cstdint>

/// In this order. Offsets and sizes in bytes. Whoever changes a field raises the version, here and in sennit-gdb.py.
struct sennit_debug_table {
  std::uint64_t version = 2;
  std::uint64_t runtimes = 0;  // address of the list's vector of schedulers; 0 before the first one
  std::uint64_t scheduler_name, scheduler_slab, scheduler_workers;
  std::uint64_t worker_index, worker_running, worker_thread, worker_now;
  std::uint64_t slab_chunks, blocks_in_chunk, block_bytes;
  std::uint64_t block_refs, block_state, block_id, block_rare, rare_name, block_where, block_wait_for, block_object,
      block_since, block_sp, block_last, block_stack;
  std::uint64_t state_parked, state_done;
  std::uint64_t wait_kinds, wait_names;  // how many; address of an array of C strings
  std::uint64_t node_who, node_next;
  std::uint64_t suspended;  // address in the switch whose unwind rules fit a stack pointer of a suspended context; or 0
};

extern "C" sennit_debug_table sennit_debug_layout;

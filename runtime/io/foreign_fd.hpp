#pragma once
// Registering descriptors that are not ours, for one wait: ONESHOT, deleted when the wait ends, no flags touched
// (hazard 28).
#include "poller/io_slot.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {

/// Registers `fd` with `w`'s poller: 0, or -errno (-EPERM for what is always ready). `slot` is then there, until
/// close_foreign(). `twin` is -1, or a second descriptor of the same open file: where another fiber waits for this one
/// on the same poller, that is a registration of its own.
std::ptrdiff_t open_foreign(worker& w, int fd, direction d, io_slot*& slot, int& twin) noexcept;
/// Out of the poller; does nothing if there is no slot.
void close_foreign(io_slot*& slot, int& twin) noexcept;

}  // namespace sennit::inline v0::detail

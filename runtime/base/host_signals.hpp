#pragma once
// Signals that are read from a descriptor must be blocked in every thread, also in those that nobody asked.
#include <csignal>

namespace sennit::inline v0::detail {

/// Takes signals away from their default action and from earlier handlers, counted per signal: from the first trap to
/// the last release(). A thread that does not block such a signal and is given it blocks it from then on, and passes it
/// on to the process. So it ends up pending for all, where signalfd finds it. Any thread.
void trap_signals(const sigset_t& signals) noexcept;
void release_signals(const sigset_t& signals) noexcept;

}  // namespace sennit::inline v0::detail

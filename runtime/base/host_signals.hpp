#pragma once
// Signals that are read from a descriptor must do nothing else, whichever thread they are given to.
#include <csignal>

namespace sennit::inline v0::detail {

/// Takes signals away from their default action and from earlier handlers, counted per signal: from the first trap to
/// the last release(). Linux: a thread that does not block such a signal and is given it blocks it from then on, and
/// passes it on to the process, so that it ends up pending for all, where signalfd finds it. macOS: the kernel notes a
/// signal in queues before anybody gets it, so that there is nothing to pass on. Any thread.
void trap_signals(const sigset_t& signals) noexcept;
/// What is pending stays so, to be drained by whoever has the descriptor (Linux), or is dropped with the last
/// release() (macOS).
void release_signals(const sigset_t& signals) noexcept;

// What the two do to one signal, each system in a file of its own: the first trap, which tells what was there before,
// and the last release, which puts that back. Under their lock.
void install_trap(int signal, struct sigaction& before) noexcept;
void remove_trap(int signal, const struct sigaction& before) noexcept;

}  // namespace sennit::inline v0::detail

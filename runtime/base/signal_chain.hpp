#pragma once
#include <csignal>

namespace sennit::inline v0::detail {

/// What would have happened to a fault or a signal if our handler had not been there: `former` is what was installed
/// before it. Returns if that does, and for a fault's default action, which then comes when the instruction is
/// repeated, so that a core file shows it and not a handler. In a handler of `signal`.
void hand_on(const struct sigaction& former, int signal, siginfo_t* info, void* context) noexcept;

/// The calling thread takes `signal`, whatever mask it inherited.
void unblock(int signal) noexcept;

/// Whether a process sent it, as opposed to a fault.
[[nodiscard]] bool was_sent(const siginfo_t& info) noexcept;

}  // namespace sennit::inline v0::detail

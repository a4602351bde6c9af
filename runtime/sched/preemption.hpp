#pragma once
// The signal by which the monitor takes a worker from a fiber that allows it: sennit/preemptible.hpp.
#include <csignal>

namespace sennit::inline v0::detail {

inline constexpr int preempt_signal = SIGVTALRM;

}  // namespace sennit::inline v0::detail

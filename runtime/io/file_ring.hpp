#pragma once
// Contract of a completion backend for files: file_ring_uring.cpp implements it, file_ring_none.cpp has none. The build
// selects the file (SENNIT_FILE_BACKEND); whether it works is found out when a worker first needs it, because kernels,
// sysctls and seccomp filters refuse rings as they like.
#include "io/file_call.hpp"

namespace sennit::inline v0::detail {

/// The result of run_on_ring() that says: let a helper thread make the call.
inline constexpr std::ptrdiff_t ring_declined = -100'100;

/// Makes `call` by the ring of the caller's worker while the fiber parks: the result as run_call() has it, or
/// ring_declined. Declined without a ring; by a runtime that has a host of its own, which is to see all calls; and by
/// the environment's SENNIT_FILE_BACKEND=threads (uring: says in the log why there is none).
std::ptrdiff_t run_on_ring(worker& w, const file_call& call, wait_bound until) noexcept;

/// Whether this build and this system have rings: for tests and logs.
[[nodiscard]] bool ring_works() noexcept;

}  // namespace sennit::inline v0::detail

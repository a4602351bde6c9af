#pragma once
// What another thread is at, as the kernel sees it.
#include <pthread.h>

#include "base/time.hpp"

namespace sennit::inline v0::detail {

/// CPU time that `thread` has used; -1 if the system does not say. Any thread, while `thread` is not joined.
[[nodiscard]] nanos thread_cpu_time(pthread_t thread) noexcept;

/// Whether `thread` waits in the kernel, as opposed to running, or being ready and without a CPU. False if the system
/// does not say.
[[nodiscard]] bool thread_waits(pthread_t thread) noexcept;

}  // namespace sennit::inline v0::detail

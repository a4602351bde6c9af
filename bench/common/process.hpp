#pragma once
// What this process may open, and what another process has used.
#include <sys/types.h>

#include <cstdint>

namespace bench {

/// Raises RLIMIT_NOFILE: to `wanted` if the process may lift its hard limit, else to the hard limit. Returns what
/// holds.
std::uint64_t raise_open_files(std::uint64_t wanted);

/// CPU time of all threads of a process so far, user and system, nanosecond resolution. Throws std::system_error.
std::uint64_t process_cpu_ns(pid_t pid);

/// Resident memory plus page tables of a process in bytes. Exact (smaps_rollup): VmRSS of /proc/PID/status lags behind
/// by up to 64 pages per CPU. What the kernel itself holds for the process (sockets, threads) is not in it.
std::uint64_t process_memory_bytes(pid_t pid);

}  // namespace bench

#pragma once
#include <string>

namespace sennit::inline v0::detail {

/// CPUs that this process may use: allowed_cpus(), capped by the cgroup's cpu.max (rounded up); at least 1.
unsigned default_worker_count();

/// The tightest cpu.max, in CPUs, from the cgroup that the file `membership` (as /proc/self/cgroup) names up to the
/// root of the cgroup v2 tree at `mount`; 0: no limit.
double cgroup_cpus(const std::string& membership, const std::string& mount);

}  // namespace sennit::inline v0::detail

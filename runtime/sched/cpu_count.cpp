#include "sched/cpu_count.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#include "base/system.hpp"

namespace sennit::inline v0::detail {
namespace {

/// "QUOTA PERIOD" or "max PERIOD" of one cgroup v2 directory; 0: no limit there.
double quota_of(const std::string& directory) {
  std::ifstream in(directory + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return 0;
  try {
    return std::stod(quota) / period;
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace

double cgroup_cpus(const std::string& membership, const std::string& mount) {
  std::ifstream in(membership);
  double tightest = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("0::")) continue;
    std::string path = line.substr(3);
    for (;;) {
      const double here = quota_of(mount + path);
      if (here > 0 && (tightest == 0 || here < tightest)) tightest = here;
      const auto slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return tightest;
}

unsigned default_worker_count() {
  unsigned cpus = allowed_cpus();
  if (const double limit = cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup"); limit > 0)
    cpus = std::min(cpus, static_cast<unsigned>(std::ceil(limit)));
  return std::max(cpus, 1U);
}

}  // namespace sennit::inline v0::detail

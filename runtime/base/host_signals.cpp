#include "base/host_signals.hpp"

#include <array>
#include <mutex>

namespace sennit::inline v0::detail {
namespace {

struct trap {
  unsigned uses = 0;
  struct sigaction before{};
};

std::mutex traps_mutex;
std::array<trap, NSIG> traps;  // guarded by traps_mutex

}  // namespace

void trap_signals(const sigset_t& signals) noexcept {
  const std::lock_guard lock(traps_mutex);
  for (int s = 1; s < NSIG; ++s) {
    trap& t = traps[static_cast<std::size_t>(s)];
    if (sigismember(&signals, s) == 1 && t.uses++ == 0) install_trap(s, t.before);
  }
}

void release_signals(const sigset_t& signals) noexcept {
  const std::lock_guard lock(traps_mutex);
  for (int s = 1; s < NSIG; ++s) {
    trap& t = traps[static_cast<std::size_t>(s)];
    if (sigismember(&signals, s) == 1 && --t.uses == 0) remove_trap(s, t.before);
  }
}

}  // namespace sennit::inline v0::detail

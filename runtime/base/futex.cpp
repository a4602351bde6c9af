#include "base/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace sennit::inline v0::detail {

void futex_wait(const void* address, std::uint32_t expected, nanos deadline) noexcept {
  // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, so EINTR and early returns need no new arithmetic.
  std::timespec until{};
  std::timespec* limit = nullptr;
  if (deadline != never) {
    const nanos t = deadline < 0 ? 0 : deadline;
    until.tv_sec = static_cast<std::time_t>(t / 1'000'000'000);
    until.tv_nsec = static_cast<long>(t % 1'000'000'000);
    limit = &until;
  }
  ::syscall(SYS_futex, address, FUTEX_WAIT_BITSET_PRIVATE, expected, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(const void* address, int count) noexcept {
  ::syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace sennit::inline v0::detail

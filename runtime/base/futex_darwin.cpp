// What libc++ waits with too: macOS has no futex, and names for this one only since 14.4.
#include <algorithm>
#include <limits>

#include "base/futex.hpp"
#include "base/host.hpp"

extern "C" {
int __ulock_wait(std::uint32_t operation, void* address, std::uint64_t expected, std::uint32_t microseconds);
int __ulock_wake(std::uint32_t operation, void* address, std::uint64_t value);
}

namespace sennit::inline v0::detail {
namespace {

constexpr std::uint32_t compare_and_wait = 1;
constexpr std::uint32_t wake_all = 0x100;
constexpr std::uint32_t no_errno = 0x1000000;

}  // namespace

void futex_wait(const void* address, std::uint32_t expected, nanos deadline) noexcept {
  std::uint32_t limit = 0;  // none
  if (deadline != never) {
    // Rounded up. What is too long for it ends early, as futex waits may; so does a time that has passed.
    const nanos left = std::max<nanos>(deadline - system_host().now(), 0);
    limit =
        static_cast<std::uint32_t>(std::clamp<nanos>(left / 1000 + 1, 1, std::numeric_limits<std::uint32_t>::max()));
  }
  __ulock_wait(compare_and_wait | no_errno, const_cast<void*>(address), expected, limit);
}

void futex_wake(const void* address, int count) noexcept {
  const std::uint32_t operation = compare_and_wait | no_errno | (count > 1 ? wake_all : 0);
  __ulock_wake(operation, const_cast<void*>(address), 0);
}

}  // namespace sennit::inline v0::detail

#include "stack/guard.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/check.hpp"
#include "stack/stack_error.hpp"

namespace sennit::inline v0::detail {
namespace {

// Newer than Debian 12's headers.
constexpr int madv_guard_install = 102;
constexpr int pidfd_self_thread = -10000;

/// madvise on [slot + from, slot + to) of each slot. Returns how many of them were advised; errno tells why not all.
std::size_t advise(std::span<std::byte* const> slots, std::size_t from, std::size_t to, int advice) noexcept {
  std::array<iovec, advise_batch> ranges;
  SENNIT_CHECK(slots.size() <= ranges.size(), "advise at most advise_batch slots at once");
  for (std::size_t i = 0; i < slots.size(); ++i) ranges[i] = {slots[i] + from, to - from};
  std::size_t done = 0;
  if (slots.size() > 1) {
    // Kernels that take no batch for the own process answer EBADF or ENOSYS; whatever is left is done one by one, so
    // that the errno of the first failure is that of madvise.
    const long advised = ::syscall(SYS_process_madvise, pidfd_self_thread, ranges.data(), slots.size(), advice, 0);
    if (advised > 0) done = static_cast<std::size_t>(advised) / (to - from);
  }
  while (done < slots.size() && ::madvise(ranges[done].iov_base, ranges[done].iov_len, advice) == 0) ++done;
  return done;
}

/// Whether the kernel can read `page`. rt_sigprocmask copies the new mask in before it looks at the bad `how`: EFAULT
/// or EINVAL. No descriptor is needed, so a process out of descriptors still probes right.
bool readable(const void* page) noexcept {
  constexpr int no_such_how = -1;
  constexpr std::size_t kernel_sigset_bytes = 8;
  const long result = ::syscall(SYS_rt_sigprocmask, no_such_how, page, nullptr, kernel_sigset_bytes);
  return !(result == -1 && errno == EFAULT);
}

}  // namespace

bool markers_work(std::byte* slot) noexcept {
  return advise({&slot, 1}, 0, guard_bytes, madv_guard_install) == 1 && !readable(slot);
}

std::error_code install_guards(std::span<std::byte* const> slots, guard_kind& kind, std::size_t& done) noexcept {
  done = 0;
  while (kind == guard_kind::markers && done < slots.size()) {
    const auto rest = slots.subspan(done);
    const auto batch = rest.first(rest.size() < advise_batch ? rest.size() : advise_batch);
    const std::size_t advised = advise(batch, 0, guard_bytes, madv_guard_install);
    done += advised;
    if (advised < batch.size()) {
      if (errno == ENOMEM) return stack_errc::no_memory;
      kind = guard_kind::protection;
    }
  }
  for (; done < slots.size(); ++done) {
    if (::mprotect(slots[done], guard_bytes, PROT_NONE) == 0) continue;
    // Taking rights away needs no memory but the mapping it splits off.
    return errno == ENOMEM ? make_error_code(stack_errc::map_limit) : std::error_code(errno, std::system_category());
  }
  return {};
}

void trim(stack_class cls, std::span<std::byte* const> slots) noexcept {
  // Memory locked by mlockall stays; the stacks are as good as before.
  advise(slots, guard_bytes, slot_bytes[index_of(cls)], MADV_DONTNEED);
}

}  // namespace sennit::inline v0::detail

// Guard markers, and advice about memory in batches. guard_darwin.cpp is the same for macOS.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/check.hpp"
#include "stack/guard.hpp"

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

std::size_t install_markers(std::span<std::byte* const> slots) noexcept {
  return advise(slots, 0, guard_bytes, madv_guard_install);
}

bool markers_work(std::byte* slot) noexcept { return install_markers({&slot, 1}) == 1 && !readable(slot); }

void refuse_huge_pages(std::byte* from, std::size_t bytes) noexcept {
  ::madvise(from, bytes, MADV_NOHUGEPAGE);  // EINVAL: a kernel without huge pages
}

void accept_huge_pages(std::byte* from, std::size_t bytes) noexcept {
  ::madvise(from, bytes, MADV_HUGEPAGE);  // the same
}

bool pages_in_memory(std::byte* from, std::size_t bytes, unsigned char* pages) noexcept {
  return ::mincore(from, bytes, pages) == 0;
}

void trim(stack_class cls, std::span<std::byte* const> slots) noexcept {
  // Memory locked by mlockall stays; the stacks are as good as before.
  advise(slots, guard_bytes, slot_bytes[index_of(cls)], MADV_DONTNEED);
}

}  // namespace sennit::inline v0::detail

// macOS has no guards that leave a mapping whole, and its advice keeps contents or memory as it likes; its pages are
// never huge by themselves. guard_linux.cpp is the same for Linux.
#include <sys/mman.h>

#include "stack/guard.hpp"

namespace sennit::inline v0::detail {

std::size_t install_markers(std::span<std::byte* const>) noexcept { return 0; }

bool markers_work(std::byte*) noexcept { return false; }

void refuse_huge_pages(std::byte*, std::size_t) noexcept {}
void accept_huge_pages(std::byte*, std::size_t) noexcept {}

bool pages_in_memory(std::byte* from, std::size_t bytes, unsigned char* pages) noexcept {
  return ::mincore(from, bytes, reinterpret_cast<char*>(pages)) == 0;
}

void trim(stack_class cls, std::span<std::byte* const> slots) noexcept {
  const std::size_t bytes = slot_bytes[index_of(cls)] - guard_bytes;
  for (std::byte* const slot : slots) {
    // New memory in place of the old. Where it is refused the old stays, and the stack is as good as before.
    static_cast<void>(::mmap(slot + guard_bytes, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
  }
}

}  // namespace sennit::inline v0::detail

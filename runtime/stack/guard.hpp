#pragma once
// Guards: the lowest 64 KiB of a slot, where every access faults and every system call gets EFAULT.
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include "stack/stack.hpp"

namespace sennit::inline v0::detail {

/// How a slot is guarded. Markers (MADV_GUARD_INSTALL, Linux >= 6.13) live in the page table and leave the mapping
/// whole; protection (mprotect) costs two mappings a stack, of which vm.max_map_count allows 65 530 by default.
/// Automatic takes markers where they work.
enum class guard_kind : std::uint8_t { automatic, markers, protection };

/// Slots advised by one system call, at most.
inline constexpr std::size_t advise_batch = 64;

/// Installs the guards of `slots` and counts them in `done`. Falls back to protection, and says so in `kind`, if the
/// mapping takes no markers any more (mlockall may come at any time). No error means: every slot is guarded.
std::error_code install_guards(std::span<std::byte* const> slots, guard_kind& kind, std::size_t& done) noexcept;

/// Puts a marker on `slot` and tries it: a return code proves nothing (qemu-user answers 0 and installs nothing).
[[nodiscard]] bool markers_work(std::byte* slot) noexcept;

/// Installs markers and returns on how many of these slots, in order; errno tells why not on all. At most advise_batch.
std::size_t install_markers(std::span<std::byte* const> slots) noexcept;

/// A stack must not become 2 MiB of memory at its first touch.
void refuse_huge_pages(std::byte* from, std::size_t bytes) noexcept;

/// What is touched all over anyway may be.
void accept_huge_pages(std::byte* from, std::size_t bytes) noexcept;

/// mincore(2): bit 0 of pages[i] says whether the i-th page from `from` on is in memory. False: there is no such
/// mapping.
bool pages_in_memory(std::byte* from, std::size_t bytes, unsigned char* pages) noexcept;

/// Gives the memory of these slots back to the kernel; guards stay, contents become zero. At most advise_batch slots.
/// In one system call where the kernel can: apart, each would interrupt all other CPUs (18 us against 0.7 measured).
void trim(stack_class cls, std::span<std::byte* const> slots) noexcept;

}  // namespace sennit::inline v0::detail

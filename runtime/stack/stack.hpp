#pragma once
// A fiber stack: one slot of an arena. Low end: 64 KiB guard; above it the usable bytes, which the kernel backs with
// memory as they are touched.
#include <array>
#include <cstddef>
#include <cstdint>

namespace sennit::inline v0::detail {

/// One page more between stacks than a power of two: their tops would share few sets of the TLB (Zen 4: a thousand that
/// yield take 0.95 of the time so). Only where a page is known to be small: on arm64 it may have 64 KiB.
#if defined(__x86_64__)
inline constexpr std::size_t page_colour = 4096;
#else
inline constexpr std::size_t page_colour = 0;
#endif
/// 64 KiB, not a page: a frame compiled without stack probes can jump over a page into the neighbour's stack.
inline constexpr std::size_t guard_bytes = (std::size_t{64} << 10) + page_colour;
/// Slot sizes: what one stack reserves in address space, guard included.
inline constexpr std::array<std::size_t, 4> slot_bytes{
    (std::size_t{128} << 10) + page_colour, (std::size_t{256} << 10) + page_colour,
    (std::size_t{1} << 20) + page_colour, (std::size_t{8} << 20) + page_colour};
enum class stack_class : std::uint8_t { small, normal, large, huge };
inline constexpr std::size_t stack_classes = slot_bytes.size();

[[nodiscard]] constexpr std::size_t index_of(stack_class cls) noexcept { return static_cast<std::size_t>(cls); }
/// What a stack of this class offers: the slot less its guard.
[[nodiscard]] constexpr std::size_t usable_bytes(stack_class cls) noexcept {
  return slot_bytes[index_of(cls)] - guard_bytes;
}

/// The smallest class that offers `usable` bytes; throws std::system_error(invalid_argument), naming the value and the
/// limits, for 0 or more than the largest class offers.
stack_class class_for(std::size_t usable);

/// Stacks start at one of 16 consecutive cache lines, by slot. Without it the first frames of all fibers share the few
/// cache sets of a page's end; with more than 16 a parked fiber's frames would more often reach into a second page.
inline constexpr std::size_t cache_line_bytes = 64;
inline constexpr std::size_t stack_colours = 16;

/// A handle, freely copied: who owns the slot is the business of the pool, a cache or a fiber.
struct stack {
  std::byte* slot = nullptr;  // lowest address: the guard begins here
  stack_class cls = stack_class::normal;

  explicit operator bool() const noexcept { return slot != nullptr; }
  [[nodiscard]] std::byte* limit() const noexcept { return slot + guard_bytes; }
  [[nodiscard]] std::byte* end() const noexcept { return slot + slot_bytes[index_of(cls)]; }
  /// Where execution starts: end() less the slot's colour. 16-byte aligned; the same for the life of the slot.
  [[nodiscard]] std::byte* top() const noexcept {
    // Neighbours are an odd number of pages apart: no division is needed to count them.
    const auto number =
        reinterpret_cast<std::uintptr_t>(slot) / (page_colour != 0 ? page_colour : slot_bytes[index_of(cls)]);
    return end() - number % stack_colours * cache_line_bytes;
  }
};

/// How deep the stack was ever used since it was mapped or last trimmed, in bytes below end(), by whole pages. A
/// recycled stack still shows its deepest user. One system call (0.4 us): for dumps. Any thread, any live stack.
[[nodiscard]] std::size_t high_water(stack s) noexcept;

/// Memory the stack holds right now, in bytes. One system call. Any thread, any live stack.
[[nodiscard]] std::size_t resident_bytes(stack s) noexcept;

}  // namespace sennit::inline v0::detail

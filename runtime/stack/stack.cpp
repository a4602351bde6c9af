#include "stack/stack.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

#include "base/check.hpp"
#include "stack/guard.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t smallest_page = 4096;
using page_map = std::array<unsigned char, usable_bytes(stack_class::huge) / smallest_page>;

/// Bit 0 of pages[i]: the i-th usable page of `s` is in memory. Returns the bytes of a page.
std::size_t look_up_pages(stack s, page_map& pages) noexcept {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  SENNIT_CHECK(pages_in_memory(s.limit(), usable_bytes(s.cls), pages.data()),
               "ask only about stacks that a living stack_pool handed out");
  return page;
}

}  // namespace

stack_class class_for(std::size_t usable) {
  for (std::size_t i = 0; usable != 0 && i < stack_classes; ++i) {
    const auto cls = static_cast<stack_class>(i);
    if (usable <= usable_bytes(cls)) return cls;
  }
  throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                          "stack_size of " + std::to_string(usable) + " bytes: ask for 1 to " +
                              std::to_string(usable_bytes(stack_class::huge)) + " bytes");
}

std::size_t high_water(stack s) noexcept {
  page_map pages;
  const std::size_t page = look_up_pages(s, pages);
  const auto last = pages.begin() + static_cast<std::ptrdiff_t>(usable_bytes(s.cls) / page);
  const auto lowest = std::find_if(pages.begin(), last, [](unsigned char bits) { return (bits & 1) != 0; });
  return static_cast<std::size_t>(last - lowest) * page;
}

std::size_t resident_bytes(stack s) noexcept {
  page_map pages;
  const std::size_t page = look_up_pages(s, pages);
  const auto last = pages.begin() + static_cast<std::ptrdiff_t>(usable_bytes(s.cls) / page);
  return static_cast<std::size_t>(std::count_if(pages.begin(), last, [](auto bits) { return (bits & 1) != 0; })) * page;
}

}  // namespace sennit::inline v0::detail

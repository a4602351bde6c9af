#pragma once
#include <cstdio>
#include <string>

namespace sennit::inline v0::detail {

/// An address as printf's %p has it. Throws bad_alloc.
inline std::string address_text(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

}  // namespace sennit::inline v0::detail

// Linked with a program, this component takes over locate().
#include <sennit/detail/config.hpp>

#include "symbols/debug_info.hpp"

/// What the linker is told to look for (CMakeLists.txt).
extern "C" SENNIT_API const int sennit_symbols_linked;
const int sennit_symbols_linked = [] {
  sennit::set_symbolizer([](const void* address) { return sennit::detail::debug_info::of_process().at(address); });
  return 1;
}();

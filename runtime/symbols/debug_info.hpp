#pragma once
// What the debug information of this process says of its code.
#include <elfutils/libdwfl.h>

#include <mutex>
#include <string>
#include <vector>

#include <sennit/inspect.hpp>

namespace sennit::inline v0::detail {

/// Opened at the first question. Any thread; one asks at a time.
class debug_info {
 public:
  static debug_info& of_process();

  /// What locate() returns.
  [[nodiscard]] std::vector<code_location> at(const void* return_address);

 private:
  debug_info() = default;
  /// The module of an address. Looks again at what is loaded if it is in none that is known.
  Dwfl_Module* module_of(Dwarf_Addr address);

  std::mutex mutex_;  // held over no wait of a fiber
  Dwfl* dwfl_ = nullptr;
};

}  // namespace sennit::inline v0::detail

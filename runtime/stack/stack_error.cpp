#include "stack/stack_error.hpp"

#include <string>

namespace sennit::inline v0::detail {
namespace {

class stack_error_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sennit.stack"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<stack_errc>(code)) {
      case stack_errc::map_limit:
        return "no stack: the process has as many memory mappings as vm.max_map_count allows; raise it (sysctl -w "
               "vm.max_map_count=1048576), or use Linux 6.13 or newer, where a stack's guard needs no mapping";
      case stack_errc::commit_limit:
        return "no stack: vm.overcommit_memory=2 counts the address space reserved for stacks as memory; set it to 0 "
               "or 1, or raise vm.overcommit_ratio";
      case stack_errc::address_space:
        return "no stack: the process may not map 64 MiB more; raise its limit of address space (ulimit -v)";
      case stack_errc::no_memory: return "no stack: out of memory";
      case stack_errc::pool_limit: return "no stack: all stacks that this runtime may have are in use";
      case stack_errc::guards_unsupported: return "no stack: guard markers do not work here; use guard_kind::automatic";
    }
    return "unknown stack error";
  }

  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    return static_cast<stack_errc>(code) == stack_errc::guards_unsupported ? std::errc::operation_not_supported
                                                                           : std::errc::not_enough_memory;
  }
};

}  // namespace

const std::error_category& stack_category() noexcept {
  static const stack_error_category category;
  return category;
}

}  // namespace sennit::inline v0::detail

#pragma once
// Why there is no stack. Every value but guards_unsupported compares equal to std::errc::not_enough_memory.
#include <system_error>

namespace sennit::inline v0::detail {

enum class stack_errc {
  map_limit = 1,       // the process has as many mappings as vm.max_map_count allows
  commit_limit,        // vm.overcommit_memory=2 counts reservations as memory
  address_space,       // RLIMIT_AS, or no room
  no_memory,           // the kernel or the heap had none
  pool_limit,          // stack_pool_options::max_stacks
  guards_unsupported,  // guard_kind::markers was demanded and the kernel has none
};

/// Messages are sentences that name the limit and what to do about it.
[[nodiscard]] const std::error_category& stack_category() noexcept;
[[nodiscard]] inline std::error_code make_error_code(stack_errc code) noexcept {
  return {static_cast<int>(code), stack_category()};
}

}  // namespace sennit::inline v0::detail

template <>
struct std::is_error_code_enum<sennit::detail::stack_errc> : std::true_type {};

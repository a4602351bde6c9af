#pragma once
#include <cstddef>
#include <system_error>

namespace sennit::inline v0::detail {

/// The result of perform() as the public face has it: a count, 0 with `ec` set on errors.
std::size_t settle(std::ptrdiff_t result, std::error_code& ec) noexcept;

}  // namespace sennit::inline v0::detail

#pragma once
#include <string>

#include <sennit/runtime.hpp>

namespace sennit::inline v0::detail {

/// The inspector's own, which it does not show.
inline constexpr char inspector_runtime[] = "sennit-inspector";
[[nodiscard]] bool is_inspectors(const runtime& rt);

/// What the page shows. Throws bad_alloc.
[[nodiscard]] std::string state_as_json();

}  // namespace sennit::inline v0::detail

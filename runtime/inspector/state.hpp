#pragma once
#include <string>

namespace sennit::inline v0::detail {

/// The inspector's own, which it does not show.
inline constexpr char inspector_runtime[] = "sennit-inspector";

/// What the page shows. Throws bad_alloc.
[[nodiscard]] std::string state_as_json();

}  // namespace sennit::inline v0::detail

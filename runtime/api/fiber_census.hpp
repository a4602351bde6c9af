#pragma once
// The fibers of a runtime as users see them, one by one or by groups.
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <sennit/inspect.hpp>

namespace sennit::inline v0::detail {

class scheduler;

/// As JSON says it.
[[nodiscard]] constexpr std::string_view text_of(fiber_state state) noexcept {
  switch (state) {
    case fiber_state::runnable: return "runnable";
    case fiber_state::running: return "running";
    case fiber_state::waiting: return "waiting";
  }
  return "";
}

/// In no order. Throws bad_alloc, and what `each` throws.
void visit_fibers(scheduler& home, const std::function<void(fiber_info&& f)>& each);
/// By id.
[[nodiscard]] std::vector<fiber_info> fibers_of(scheduler& home);

/// By the lowest id. Of a hundred thousand fibers that wait in one place no more is kept than of ten. Throws bad_alloc.
[[nodiscard]] std::vector<fiber_group> groups_of(scheduler& home);

}  // namespace sennit::inline v0::detail

#pragma once
// What a dump of the fibers says, in its two formats.
#include <string>
#include <vector>

#include <sennit/inspect.hpp>

namespace sennit::inline v0::detail {

struct seen_runtime {
  std::string name;
  std::size_t workers = 0;
  std::vector<fiber_info> fibers;
};

/// Throw bad_alloc.
[[nodiscard]] std::string as_text(const std::vector<seen_runtime>& all);
[[nodiscard]] std::string as_json(const std::vector<seen_runtime>& all);

}  // namespace sennit::inline v0::detail

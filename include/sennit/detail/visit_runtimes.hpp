#pragma once
#include <functional>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {

class runtime;

namespace detail {

/// Calls f with each runtime of this process; none can begin or end meanwhile. f must not wait as a fiber does. Any
/// thread or fiber.
SENNIT_API void visit_runtimes(const std::function<void(runtime& rt)>& f);

}  // namespace detail
}  // namespace sennit::inline v0

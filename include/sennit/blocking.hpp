#pragma once
#include <functional>
#include <optional>
#include <type_traits>

#include <sennit/detail/config.hpp>
#include <sennit/detail/task.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0 {

namespace detail {
SENNIT_API void run_on_helper(task&& work, const stop_token& stop);
}

/// Runs f() on a helper thread (0 to 64 of them, first come first served, idle ones end after 10 s) while the fiber
/// parks; returns its result or rethrows. For calls that block and cannot be made otherwise. A stop before f has
/// started, ambient or the token's: f does not run, throws operation_canceled; afterwards the wait goes on, because f
/// uses the caller's stack. On a plain thread f runs in place.
template <class F>
std::invoke_result_t<F> blocking(F&& f, const stop_token& stop = {}) {
  using result = std::invoke_result_t<F>;
  if constexpr (std::is_void_v<result>) {
    detail::run_on_helper(detail::task([&f] { std::invoke(std::forward<F>(f)); }), stop);
  } else {
    std::optional<result> value;
    detail::run_on_helper(detail::task([&] { value.emplace(std::invoke(std::forward<F>(f))); }), stop);
    return std::move(*value);  // NOLINT(bugprone-unchecked-optional-access): f has returned, or we had thrown
  }
}

}  // namespace sennit::inline v0

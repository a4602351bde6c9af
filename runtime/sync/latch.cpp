#include <sennit/latch.hpp>

#include "base/check.hpp"
#include "fiber/fiber_block.hpp"

namespace sennit::inline v0 {

void latch::count_down(std::ptrdiff_t n) noexcept {
  const bool counted = n >= 0 && count_.down(static_cast<std::size_t>(n));
  SENNIT_CHECK(counted, "a latch counts down to zero once: construct it with the number of all who count down");
}

void latch::refuse() noexcept {
  detail::check_failed(__FILE__, __LINE__, "expected >= 0", "construct a latch with the number of those to wait for");
}

bool latch::wait_before(detail::wait_bound until) { return count_.wait(until, detail::wait_kind::latch, this); }

}  // namespace sennit::inline v0

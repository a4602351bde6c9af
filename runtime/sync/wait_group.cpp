#include <sennit/wait_group.hpp>

#include "base/check.hpp"
#include "fiber/fiber_block.hpp"

namespace sennit::inline v0 {

void wait_group::add(std::size_t n) noexcept {
  const bool fits = count_.up(n);
  SENNIT_CHECK(fits, "a wait_group counts to SIZE_MAX: call done() for what has ended");
}

void wait_group::done() noexcept {
  const bool counted = count_.down(1);
  SENNIT_CHECK(counted, "more done() than add(): call add() before the work starts");
}

std::size_t wait_group::count() const noexcept { return count_.count(); }

bool wait_group::wait_before(detail::wait_bound until) {
  return count_.wait(until, detail::wait_kind::wait_group, this);
}

}  // namespace sennit::inline v0

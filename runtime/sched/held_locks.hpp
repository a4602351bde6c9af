#pragma once

namespace sennit::inline v0::detail {

class fiber_block;

#if SENNIT_DEBUG_CHECKS
/// `me` is about to leave this thread: warns of each pthread mutex that it has locked here and not unlocked, once for
/// each place that locks, and forgets them.
void report_held_locks(const fiber_block& me) noexcept;
#else
constexpr void report_held_locks(const fiber_block&) noexcept {}
#endif

}  // namespace sennit::inline v0::detail

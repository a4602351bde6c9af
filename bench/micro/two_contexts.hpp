#pragma once
// Two contexts that switch to each other without a scheduler.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "context/context.hpp"

namespace sennit::detail {

struct alignas(64) stack_memory {
  std::byte bytes[std::size_t{64} << 10];
  std::byte* end() { return bytes + sizeof bytes; }
};

struct pair_of_contexts {
  context mine;
  context other;
  exception_state* live = thread_exception_state();
};

/// Both stacks are in this one loop, as all fibers of a worker are in the scheduler's.
[[gnu::noinline]] inline void rounds(context& from, context& to, pair_of_contexts& pair, std::uint64_t count) {
  for (; count != 0; --count) switch_context(from, to, &pair, *pair.live);
}

/// measure(switch_twice) calls switch_twice(n), which makes 2n switches, as often as it likes.
void with_two_contexts(auto&& measure) {
  const auto stack = std::make_unique<stack_memory>();
  pair_of_contexts pair;
  const auto other = [](void* transfer) -> last_switch {
    auto& both = *static_cast<pair_of_contexts*>(transfer);
    rounds(both.other, both.mine, both, ~std::uint64_t{0});
    return {both.other, both.mine, &both, *both.live};
  };
  make_context(pair.other, stack->bytes, stack->end(), other, current_fp_env());
  measure([&](std::uint64_t n) { rounds(pair.mine, pair.other, pair, n); });
  destroy_context(pair.other);
}

}  // namespace sennit::detail

#include "stack/stack_cache.hpp"

#include <algorithm>

#include "stack/stack_pool.hpp"

namespace sennit::inline v0::detail {

[[gnu::noinline]] bool stack_cache::refill(stack_class cls, std::error_code& why) noexcept {
  bin& to = bins_[index_of(cls)];
  std::size_t made = 0;
  const std::span half(to.slots.data(), stack_cache_capacity[index_of(cls)] / 2);
  if (const auto error = pool_->allocate(cls, half, made)) {
    why = error;
    return false;
  }
  std::reverse(half.begin(), half.begin() + static_cast<std::ptrdiff_t>(made));  // the warmest on top
  to.count = static_cast<std::uint32_t>(made);
  return true;
}

[[gnu::noinline]] void stack_cache::spill(stack_class cls) noexcept {
  bin& from = bins_[index_of(cls)];
  const std::uint32_t half = stack_cache_capacity[index_of(cls)] / 2;
  pool_->release(cls, std::span(from.slots.data(), half));
  std::copy(from.slots.begin() + half, from.slots.begin() + from.count, from.slots.begin());
  from.count -= half;
}

void stack_cache::flush() noexcept {
  for (std::size_t i = 0; i < stack_classes; ++i) {
    pool_->release(static_cast<stack_class>(i), std::span(bins_[i].slots.data(), bins_[i].count));
    bins_[i].count = 0;
  }
}

}  // namespace sennit::inline v0::detail

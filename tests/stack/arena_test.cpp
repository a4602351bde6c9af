#include "stack/arena.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sennit::detail {
namespace {

constexpr stack_class all_classes[] = {stack_class::small, stack_class::normal, stack_class::large, stack_class::huge};

TEST(arena, hands_out_each_slot_once_and_side_by_side) {
  for (const auto cls : all_classes) {
    arena mapping;
    EXPECT_EQ(mapping.left(), 0u);
    ASSERT_FALSE(arena::map(cls, guard_kind::automatic, mapping));
    EXPECT_EQ(mapping.left(), slots_per_arena(cls));
    std::vector<std::byte*> slots(slots_per_arena(cls) + 1);
    std::size_t made = 0;
    ASSERT_FALSE(mapping.carve({slots.data(), 1}, made));
    ASSERT_EQ(made, 1u);
    ASSERT_FALSE(mapping.carve({slots.data() + 1, slots.size() - 1}, made));
    ASSERT_EQ(made, slots_per_arena(cls) - 1) << "there are no more";
    EXPECT_EQ(mapping.left(), 0u);
    for (std::size_t i = 1; i < slots_per_arena(cls); ++i) {
      ASSERT_EQ(slots[i], slots[i - 1] + slot_bytes[index_of(cls)]);
    }
  }
}

TEST(find_stack, knows_every_address_of_a_slot_while_the_arena_lives) {
  for (const auto cls : all_classes) {
    stack s{nullptr, cls};
    {
      arena mapping;
      ASSERT_FALSE(arena::map(cls, guard_kind::automatic, mapping));
      std::size_t made = 0;
      ASSERT_FALSE(mapping.carve({&s.slot, 1}, made));
      for (const std::byte* address : {s.slot, s.limit() - 1, s.limit(), s.top() - 1, s.end() - 1}) {
        EXPECT_EQ(find_stack(address).slot, s.slot);
        EXPECT_EQ(find_stack(address).cls, cls);
      }
      EXPECT_EQ(find_stack(s.end()).slot, s.end()) << "the next slot, handed out or not";
      EXPECT_NE(find_stack(s.slot - 1).slot, s.slot);
      arena moved = std::move(mapping);
      EXPECT_EQ(find_stack(s.slot).slot, s.slot);
    }
    EXPECT_FALSE(find_stack(s.slot));
  }
}

TEST(find_stack, knows_no_other_address) {
  const int local = 0;
  EXPECT_FALSE(find_stack(nullptr));
  EXPECT_FALSE(find_stack(&local));
  EXPECT_FALSE(find_stack(reinterpret_cast<const void*>(~std::uintptr_t{0})));
  arena mapping;
  ASSERT_FALSE(arena::map(stack_class::huge, guard_kind::automatic, mapping));
  std::byte* slot = nullptr;
  std::size_t made = 0;
  ASSERT_FALSE(mapping.carve({&slot, 1}, made));
  EXPECT_FALSE(find_stack(slot - 1)) << "below the shifted first slot";
  EXPECT_TRUE(find_stack(slot + slots_per_arena(stack_class::huge) * slot_bytes[index_of(stack_class::huge)] - 1));
  EXPECT_FALSE(find_stack(slot + slots_per_arena(stack_class::huge) * slot_bytes[index_of(stack_class::huge)]));
}

}  // namespace
}  // namespace sennit::detail

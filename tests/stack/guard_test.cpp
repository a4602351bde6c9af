#include "stack/guard.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "stack/arena.hpp"
#include "stack/on_stack.hpp"
#include "stack/stack_error.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::detail {
namespace {

constexpr stack_class all_classes[] = {stack_class::small, stack_class::normal, stack_class::large, stack_class::huge};

/// Whichever kinds of guards there are here: markers need Linux 6.13 and no emulator.
class guards : public testing::TestWithParam<guard_kind> {};

TEST_P(guards, are_closed_to_the_kernel_and_the_page_above_is_open) {
  stack_pool pool(stack_pool_options{.guards = GetParam()});
  test::kernel_reader kernel;
  for (const auto cls : all_classes) {
    std::vector<std::byte*> slots(slots_per_arena(cls) + 3);  // a second arena too
    std::size_t made = 0;
    ASSERT_FALSE(pool.allocate(cls, slots, made));
    ASSERT_EQ(made, slots.size());
    for (std::byte* const slot : slots) EXPECT_TRUE(kernel.guarded({slot, cls})) << "class " << index_of(cls);
    EXPECT_EQ(pool.guards(cls), GetParam());
  }
}

TEST_P(guards, hold_after_reuse_and_after_trimming) {
  stack_pool pool(stack_pool_options{.guards = GetParam(), .resident_budget = 0});
  test::kernel_reader kernel;
  stack s;
  ASSERT_FALSE(pool.allocate(stack_class::normal, s));
  for (int life = 0; life < 3; ++life) {
    std::fill(s.limit(), s.end(), std::byte{0x5a});
    EXPECT_TRUE(kernel.guarded(s));
    pool.release(s);
    EXPECT_TRUE(kernel.guarded(s));
    EXPECT_EQ(pool.stats().trims, static_cast<std::uint64_t>(life) + 1);
    const auto before = s.slot;
    ASSERT_FALSE(pool.allocate(stack_class::normal, s));
    ASSERT_EQ(s.slot, before);
  }
}

TEST_P(guards, hold_in_a_forked_child) {
  stack_pool pool(stack_pool_options{.guards = GetParam()});
  stack s;
  ASSERT_FALSE(pool.allocate(stack_class::normal, s));
  s.end()[-1] = std::byte{1};
  const pid_t child = ::fork();
  if (child == 0) {
    test::kernel_reader kernel;
    ::_exit(kernel.guarded(s) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

std::vector<guard_kind> kinds_here() {
  stack_pool pool(stack_pool_options{.guards = guard_kind::markers});
  stack s;
  std::vector<guard_kind> kinds{guard_kind::protection};
  if (!pool.allocate(stack_class::small, s)) kinds.push_back(guard_kind::markers);
  return kinds;
}
INSTANTIATE_TEST_SUITE_P(kinds, guards, testing::ValuesIn(kinds_here()),
                         [](const auto& kind) { return kind.param == guard_kind::markers ? "markers" : "protection"; });

TEST(guard, automatic_takes_markers_only_where_they_close_the_page) {
  stack_pool demanding(stack_pool_options{.guards = guard_kind::markers});
  stack s;
  const auto refused = demanding.allocate(stack_class::normal, s);
  if (refused) {
    EXPECT_EQ(refused, stack_errc::guards_unsupported) << refused.message();
    EXPECT_EQ(refused, std::errc::operation_not_supported);
  }

  stack_pool pool;
  EXPECT_EQ(pool.guards(stack_class::normal), guard_kind::automatic);
  ASSERT_FALSE(pool.allocate(stack_class::normal, s));
  EXPECT_EQ(pool.guards(stack_class::normal), refused ? guard_kind::protection : guard_kind::markers);
  EXPECT_TRUE(test::kernel_reader().guarded(s));
}

// mlockall() between two stacks of one arena: markers are refused from then on.
TEST(guard, falls_back_to_protection_within_an_arena) {
  arena mapping;
  ASSERT_FALSE(arena::map(stack_class::small, guard_kind::automatic, mapping));
  std::vector<std::byte*> slots(2);
  std::size_t made = 0;
  ASSERT_FALSE(mapping.carve({slots.data(), 1}, made));
  const stack first{slots[0], stack_class::small};
  // Locks what the next guard would cover; where that is not permitted, or locks nothing, markers go on working.
  ::mlock(first.end(), guard_bytes);
  ASSERT_FALSE(mapping.carve({slots.data() + 1, 1}, made));
  EXPECT_EQ(made, 1u);
  test::kernel_reader kernel;
  EXPECT_TRUE(kernel.guarded(first));
  EXPECT_TRUE(kernel.guarded({slots[1], stack_class::small}));
}

}  // namespace
}  // namespace sennit::detail

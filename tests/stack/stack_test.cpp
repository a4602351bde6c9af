#include "stack/stack.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "stack/guard.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::detail {
namespace {

constexpr stack_class all_classes[] = {stack_class::small, stack_class::normal, stack_class::large, stack_class::huge};

stack allocate(stack_pool& pool, stack_class cls) {
  stack s;
  EXPECT_FALSE(pool.allocate(cls, s));
  return s;
}

TEST(class_for, takes_the_smallest_class_that_offers_enough) {
  EXPECT_EQ(class_for(1), stack_class::small);
  for (const auto cls : all_classes) {
    EXPECT_EQ(class_for(usable_bytes(cls)), cls);
    if (cls != stack_class::huge) {
      EXPECT_EQ(index_of(class_for(usable_bytes(cls) + 1)), index_of(cls) + 1);
    }
  }
}

TEST(class_for, refuses_zero_and_absurd_sizes_naming_value_and_limits) {
  for (const std::size_t bad : {std::size_t{0}, usable_bytes(stack_class::huge) + 1, SIZE_MAX}) {
    try {
      class_for(bad);
      ADD_FAILURE() << bad << " was taken";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::invalid_argument);
      const std::string text = e.what();
      EXPECT_NE(text.find("stack_size of " + std::to_string(bad) + " bytes"), std::string::npos) << text;
      EXPECT_NE(text.find("1 to " + std::to_string(usable_bytes(stack_class::huge))), std::string::npos) << text;
    }
  }
}

TEST(stack, neighbours_start_on_different_cache_lines) {
  stack_pool pool;
  for (const auto cls : all_classes) {
    std::set<std::ptrdiff_t> colours;
    std::set<std::uintptr_t> pages;  // by what the TLB may choose a set by
    for (std::size_t i = 0; i < stack_colours; ++i) {
      const stack s = allocate(pool, cls);
      const auto colour = s.end() - s.top();
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(s.top()) % 16, 0u);
      EXPECT_EQ(colour, s.end() - stack{s}.top()) << "a slot keeps its colour";
      EXPECT_LT(static_cast<std::size_t>(colour), stack_colours * cache_line_bytes);
      colours.insert(colour);
      pages.insert(reinterpret_cast<std::uintptr_t>(s.end()) / 4096 % 64);
    }
    EXPECT_GE(colours.size(), std::min(stack_colours, slots_per_arena(cls))) << "within an arena all differ";
    if (page_colour != 0) {
      EXPECT_EQ(pages.size(), colours.size());
    }
  }
}

TEST(high_water, is_the_deepest_page_ever_touched) {
  stack_pool pool;
  for (const auto cls : all_classes) {
    const stack s = allocate(pool, cls);
    EXPECT_EQ(high_water(s), 0u);
    EXPECT_EQ(resident_bytes(s), 0u);
    s.end()[-1] = std::byte{1};
    const std::size_t page = high_water(s);
    EXPECT_GE(page, 4096u);
    EXPECT_EQ(resident_bytes(s), page);
    *(s.end() - 5 * page) = std::byte{1};
    EXPECT_EQ(high_water(s), 5 * page);
    EXPECT_EQ(resident_bytes(s), 2 * page) << "the pages between were jumped over";
    *s.limit() = std::byte{1};
    EXPECT_EQ(high_water(s), usable_bytes(cls));
    trim(cls, {&s.slot, 1});
    EXPECT_EQ(high_water(s), 0u);
  }
}

// Hazard 11: a system call does not raise SIGSEGV for memory that "would grow": it fails with EFAULT.
TEST(stack, system_calls_reach_pages_that_were_never_touched) {
  constexpr std::size_t length = 128 * 1024;
  std::vector<char> sent(length);
  for (std::size_t i = 0; i < length; ++i) sent[i] = static_cast<char>(i * 7);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(std::fwrite(sent.data(), 1, length, file.get()), length);
  ASSERT_EQ(std::fflush(file.get()), 0);

  stack_pool pool(stack_pool_options{.resident_budget = 0});
  std::byte* first = nullptr;
  for (const char* const life : {"fresh", "recycled"}) {
    const stack s = allocate(pool, stack_class::normal);
    ASSERT_EQ(resident_bytes(s), 0u) << life;
    auto* const buffer = reinterpret_cast<char*>(s.top() - 4096 - length);
    ASSERT_EQ(::pread(::fileno(file.get()), buffer, length, 0), static_cast<ssize_t>(length)) << life;
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), buffer)) << life;
    if (first == nullptr) first = s.slot;
    EXPECT_EQ(s.slot, first) << life;
    pool.release(s);
  }
}

}  // namespace
}  // namespace sennit::detail

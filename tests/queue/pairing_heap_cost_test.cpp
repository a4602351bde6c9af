// What very many sleepers cost, in comparisons of deadlines: the product's own source, compiled once more with
// deadlines that count (so nothing of the runtime that knows the real ones is included here). Each meld compares once,
// and nothing else but melds takes more than a few steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "support/scale.hpp"

namespace sennit::inline v0::detail {
/// A deadline that counts how often it is compared with another one.
struct counting_nanos {
  nanos value = 0;
  constexpr counting_nanos() = default;
  constexpr counting_nanos(nanos v) : value(v) {}  // NOLINT(google-explicit-constructor): stands for nanos
  static inline std::uint64_t comparisons = 0;
  friend bool operator<(counting_nanos a, counting_nanos b) {
    ++comparisons;
    return a.value < b.value;
  }
  friend bool operator>(counting_nanos a, counting_nanos b) { return b < a; }
};
}  // namespace sennit::inline v0::detail

#define nanos counting_nanos
#define timer_node counting_timer_node
#define pairing_heap counting_heap
#include "queue/pairing_heap.cpp"  // NOLINT(bugprone-suspicious-include)
#undef nanos
#undef timer_node
#undef pairing_heap

namespace sennit::detail {
namespace {

using node = counting_timer_node;

enum class order { ascending, descending, shuffled, equal, inward };

std::string name_of(order how) {
  switch (how) {
    case order::ascending: return "ascending";
    case order::descending: return "descending";
    case order::shuffled: return "shuffled";
    case order::equal: return "equal";
    case order::inward: return "inward";
  }
  return {};
}

/// Deadlines 1 to n in the order of their arming; inward: the earliest, the latest, the second earliest, and so on.
std::vector<nanos> deadlines(order how, std::size_t n, std::mt19937_64& random) {
  std::vector<nanos> all(n);
  std::iota(all.begin(), all.end(), nanos{1});
  switch (how) {
    case order::ascending: break;
    case order::descending: std::reverse(all.begin(), all.end()); break;
    case order::shuffled: std::shuffle(all.begin(), all.end(), random); break;
    case order::equal: std::fill(all.begin(), all.end(), 7); break;
    case order::inward:
      for (nanos& d : all) d = d % 2 == 0 ? static_cast<nanos>(n) - d / 2 : d / 2 + 1;
      break;
  }
  return all;
}

class pairing_heap_cost_test : public ::testing::TestWithParam<order> {
 protected:
  /// `f`'s comparisons.
  template <class F>
  static double cost(F&& f) {
    const std::uint64_t before = counting_nanos::comparisons;
    f();
    return static_cast<double>(counting_nanos::comparisons - before);
  }
  void arm(node& n, nanos deadline) {
    n.deadline = deadline;
    n.place = timer_place::near;
    heap.insert(n);
  }
  bool cancel(node& n) {
    if (n.place == timer_place::none) return false;
    n.place = timer_place::none;
    heap.remove(n);
    return true;
  }
  node* pop() {
    node* const first = heap.top();
    if (first != nullptr) cancel(*first);
    return first;
  }

  counting_heap heap;
  const std::size_t sleepers = test::scaled(2'000'000);
  const double levels = std::log2(static_cast<double>(sleepers) + 2);
};
INSTANTIATE_TEST_SUITE_P(orders, pairing_heap_cost_test,
                         ::testing::Values(order::ascending, order::descending, order::shuffled, order::equal,
                                           order::inward),
                         [](const auto& how) { return name_of(how.param); });

/// Amortised comparisons of a removal, by the levels of a balanced tree: what is asserted. Measured, with a
/// million: 1.3.
constexpr double per_level = 2;

TEST_P(pairing_heap_cost_test, armed_half_canceled_the_rest_popped_in_order) {
  std::mt19937_64 random(1);
  const std::vector<nanos> at = deadlines(GetParam(), sleepers, random);
  std::vector<node> nodes(sleepers);
  const double arming = cost([&] {
    for (std::size_t i = 0; i < sleepers; ++i) arm(nodes[i], at[i]);
  });
  EXPECT_LE(arming, static_cast<double>(sleepers)) << "arming is one comparison";

  nanos last = 0;
  std::size_t popped = 0;
  const auto pop_some = [&](std::size_t most) {
    for (; most > 0; --most) {
      const node* const n = pop();
      if (n == nullptr) return;
      ASSERT_GE(n->deadline.value, last) << "out of order";
      last = n->deadline.value;
      ++popped;
    }
  };
  // Some expire first: a heap to which all was only added is flat, and canceling costs nothing there.
  double removing = cost([&] { pop_some(sleepers / 10); });
  std::vector<std::size_t> half(sleepers);
  std::iota(half.begin(), half.end(), std::size_t{0});
  std::shuffle(half.begin(), half.end(), random);
  half.resize(sleepers / 2);
  std::size_t canceled = 0;
  const double canceling = cost([&] {
    for (const std::size_t i : half) canceled += cancel(nodes[i]);
  });
  removing += canceling;
  removing += cost([&] { pop_some(sleepers); });
  EXPECT_EQ(popped + canceled, sleepers);
  EXPECT_EQ(heap.top(), nullptr);
  const auto removed = static_cast<double>(sleepers);
  std::cout << sleepers << " sleepers, comparisons: " << canceling / static_cast<double>(canceled) << " a cancel, "
            << (removing - canceling) / static_cast<double>(popped) << " a pop, log2 is " << levels << '\n';
  EXPECT_LE(removing, per_level * levels * removed);
}

// The first pop goes through all that was ever armed, if that is one list. It pays for the next ones: then one is armed
// for each that expires, as fibers do that sleep in loops.
TEST_P(pairing_heap_cost_test, one_long_pop_pays_for_the_next_ones) {
  std::mt19937_64 random(1);
  const std::vector<nanos> at = deadlines(GetParam(), sleepers, random);
  std::vector<node> nodes(sleepers + 1);
  arm(nodes.back(), 0);
  for (std::size_t i = 0; i < sleepers; ++i) arm(nodes[i], at[i]);
  node* n = nullptr;
  const double first = cost([&] { n = pop(); });
  ASSERT_EQ(n, &nodes.back());
  EXPECT_LE(first, static_cast<double>(sleepers)) << "each of the list once";
  constexpr std::size_t turns = 1000;
  double most = 0;
  const double rest = cost([&] {
    for (std::size_t i = 0; i < turns; ++i) {
      most = std::max(most, cost([&] { n = pop(); }));
      ASSERT_NE(n, nullptr);
      arm(*n, n->deadline.value + static_cast<nanos>(random() % sleepers));
    }
  });
  std::cout << sleepers << " sleepers, comparisons: " << first << " the first pop, " << rest / turns
            << " a turn afterwards, at most " << most << '\n';
  EXPECT_LE(most, first / 2 + per_level * levels) << "half of the list is left each time";
  EXPECT_LE(rest, first + turns * per_level * (levels + 1));
}

// Timeouts that nearly never expire: armed, canceled, armed later; a pop now and then.
TEST_P(pairing_heap_cost_test, timeouts_that_are_put_off) {
  std::mt19937_64 random(1);
  const std::vector<nanos> at = deadlines(GetParam(), sleepers, random);
  std::vector<node> nodes(sleepers);
  for (std::size_t i = 0; i < sleepers; ++i) arm(nodes[i], at[i]);
  std::size_t operations = 0;
  const double spent = cost([&] {
    for (std::size_t i = 0; i < sleepers; ++i, ++operations) {
      node& n = nodes[random() % sleepers];
      cancel(n);
      arm(n, n.deadline.value + static_cast<nanos>(sleepers));
      if (i % 64 != 0) continue;
      node* const due = pop();
      arm(*due, due->deadline.value + static_cast<nanos>(2 * sleepers));
    }
  });
  std::cout << sleepers << " sleepers, comparisons: " << spent / static_cast<double>(operations) << " a turn\n";
  EXPECT_LE(spent, static_cast<double>(operations) * per_level * levels);
}

}  // namespace
}  // namespace sennit::detail

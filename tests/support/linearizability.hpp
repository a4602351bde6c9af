#pragma once
// Is a history linearizable: is there an order of its operations, each at one point between its invocation and its
// response, in which a sequential specification gives the results that were seen?
//
//   M. Herlihy, J. Wing: Linearizability: a correctness condition for concurrent objects. TOPLAS 12(3), 1990
//   J. Wing, C. Gong: Testing and verifying concurrent objects. JPDC 17(1-2), 1993: the search, depth first
//   G. Lowe: Testing for linearizability. CCPE 29(4), 2017: configurations that were seen are not searched again
//   A. Horn, D. Kroening: Faster linearizability checking via P-compositionality. FORTE 2015: a configuration is the
//   set of the operations that are done, as bits, and the state
//
// Synchronous operations. When a channel has no buffer, a send and the receive that takes its message are one exchange:
// neither has a point of its own, for a queue that holds a message between the two does not exist. So a specification
// may also say what two operations do together, at one point inside both intervals. (W. Scherer, M. Scott: Nonblocking
// concurrent data structures with condition synchronization, DISC 2004, split such an operation in a reservation and
// its fulfilment, with a point each. Where a history has only the outer interval, that admits the same histories: each
// reservation may be put right before its fulfilment, so what the reservations say of one another binds nobody. The
// exchange says the same with fewer states.)
//
// A Spec is small, copyable and comparable with ==, and has
//   bool apply(const Op&)               false, if the operation cannot end like this in this state; else changes it
//   bool apply(const Op&, const Op&)    optional: the first with the second, as an exchange
//   std::size_t hash() const
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/history.hpp"

namespace sennit::test {

/// The search. One thread.
template <class Spec, class Op>
class linearizability {
 public:
  /// Operations that overlap, directly or through others: no more than this many in a row.
  static constexpr std::size_t max_window = 64;

  /// True if `events` is linearizable from `initial`. A history of any length is cut where no operation is under way;
  /// each window starts from all the states that the one before it may have ended in, so nothing is lost by the cut.
  static bool holds(std::vector<event<Op>> events, const Spec& initial) {
    std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
    std::vector<Spec> states{initial};
    for (std::size_t first = 0; first < events.size();) {
      std::size_t last = first;
      std::uint64_t busy_until = events[first].responded;
      while (++last < events.size() && events[last].invoked < busy_until) {
        busy_until = std::max(busy_until, events[last].responded);
      }
      if (last - first > max_window) throw std::length_error("a window of a history has at most 64 operations");
      linearizability window({events.data() + first, last - first});
      for (const Spec& state : states) window.search(state);
      states.assign(window.ends_.begin(), window.ends_.end());
      if (states.empty()) return false;
      first = last;
    }
    return true;
  }

 private:
  struct configuration {
    std::uint64_t done;
    Spec state;
    bool operator==(const configuration&) const = default;
  };
  struct hasher {
    std::size_t operator()(const Spec& s) const { return s.hash(); }
    std::size_t operator()(const configuration& c) const {
      return c.state.hash() ^ static_cast<std::size_t>(c.done * 0x9e37'79b9'7f4a'7c15u);
    }
  };

  explicit linearizability(std::span<const event<Op>> events)
      : events_(events), all_(~std::uint64_t{0} >> (max_window - events.size())) {}

  /// Adds to ends_ all states that the window may lead to.
  void search(const Spec& from) {
    visit({0, from});
    while (!open_.empty()) {
      const configuration here = std::move(open_.back());
      open_.pop_back();
      if (here.done == all_) {
        ends_.insert(here.state);
      } else {
        go_on(here);
      }
    }
  }

  /// Visits all configurations that are one point further.
  void go_on(const configuration& here) {
    // What was invoked after another responded comes after it: only who was invoked before the first response of those
    // not yet done may be next.
    std::uint64_t first_response = ~std::uint64_t{0};
    for (std::uint64_t left = all_ & ~here.done; left != 0; left &= left - 1) {
      first_response = std::min(first_response, at(left).responded);
    }
    std::uint64_t candidates = 0;
    for (std::uint64_t left = all_ & ~here.done; left != 0; left &= left - 1) {
      if (at(left).invoked > first_response) break;  // sorted
      candidates |= lowest(left);
    }
    for (std::uint64_t i = candidates; i != 0; i &= i - 1) {
      configuration next{here.done | lowest(i), here.state};
      if (next.state.apply(at(i).op)) visit(std::move(next));
      if constexpr (requires(Spec s, const Op& op) { s.apply(op, op); }) {
        for (std::uint64_t j = candidates & ~lowest(i); j != 0; j &= j - 1) {
          configuration both{here.done | lowest(i) | lowest(j), here.state};
          if (both.state.apply(at(i).op, at(j).op)) visit(std::move(both));
        }
      }
    }
  }

  void visit(configuration c) {
    if (seen_.insert(c).second) open_.push_back(std::move(c));
  }
  static std::uint64_t lowest(std::uint64_t bits) { return bits & (~bits + 1); }
  const event<Op>& at(std::uint64_t bits) const { return events_[static_cast<std::size_t>(std::countr_zero(bits))]; }

  const std::span<const event<Op>> events_;  // in order of invocation
  const std::uint64_t all_;
  std::unordered_set<configuration, hasher> seen_;
  std::vector<configuration> open_;
  std::unordered_set<Spec, hasher> ends_;
};

}  // namespace sennit::test

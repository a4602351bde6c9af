#pragma once
// What several fibers and threads did to an object, and when: the input of linearizability.hpp.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sennit::test {

/// One operation that has ended. It took effect somewhere between its two stamps, if the object is linearizable.
template <class Op>
struct event {
  Op op;  // with its result
  std::uint64_t invoked;
  std::uint64_t responded;
  unsigned who;
};

/// Records the operations of a fixed number of participants. Each of them, fiber or thread, writes a list of its own;
/// the stamps come from one counter. events() is for whoever has joined them all.
template <class Op>
class history {
 public:
  explicit history(unsigned participants) : lists_(participants) {}

  /// Stamps, calls `operation`, which returns an Op with its result, and stamps again. acq_rel: what responded before
  /// another was invoked happens before it, so no reordering excuses the object.
  template <class F>
  Op record(unsigned who, F&& operation) {
    const std::uint64_t invoked = now_.fetch_add(1, std::memory_order_acq_rel);
    const Op op = std::forward<F>(operation)();
    lists_[who].events.push_back({op, invoked, now_.fetch_add(1, std::memory_order_acq_rel), who});
    return op;
  }

  [[nodiscard]] std::vector<event<Op>> events() const {
    std::vector<event<Op>> all;
    for (const list& l : lists_) all.insert(all.end(), l.events.begin(), l.events.end());
    return all;
  }

 private:
  struct alignas(64) list {
    std::vector<event<Op>> events;
  };

  std::atomic<std::uint64_t> now_{0};
  std::vector<list> lists_;
};

}  // namespace sennit::test

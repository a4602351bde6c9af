#pragma once
// Who waits, and the record by which a queue knows it.
#include <cstdint>

#include "fiber/state_word.hpp"

namespace sennit::inline v0::detail {

class scheduler;

/// A fiber (base of fiber_block) or a plain thread (base of thread_waiter). Its owner parks; anyone may claim it, by
/// the rules of state_word.
class waiter {
 public:
  state_word state;
  scheduler* home = nullptr;  // the runtime that runs the fiber; null: a plain thread

  [[nodiscard]] bool is_fiber() const noexcept { return home != nullptr; }
};

/// One reason to wake one waiter: lives on the waiter's stack, linked in a wait_queue under that queue's lock from
/// before the park until the waker takes it or the waiter removes it.
struct wait_node {
  wait_node(waiter& w, std::uint16_t case_index) noexcept : who(&w), epoch(w.state.epoch()), which(case_index) {}
  wait_node(const wait_node&) = delete;
  wait_node& operator=(const wait_node&) = delete;

  waiter* who;
  std::uint32_t epoch;
  std::uint16_t which;
  bool linked = false;
  wait_node* next = nullptr;
  wait_node* prev = nullptr;

  [[nodiscard]] bool claim(state_word::word unless = 0) const noexcept {
    return who->state.claim(epoch, which, unless);
  }
};

}  // namespace sennit::inline v0::detail

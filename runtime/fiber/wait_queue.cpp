#include <string>

#include <sennit/detail/wait_queue.hpp>

#include "base/check.hpp"
#include "fiber/fiber_block.hpp"

namespace sennit::inline v0::detail {

void wait_queue::push_back(wait_node& node) noexcept {
  node.linked = true;
  node.next = nullptr;
  node.prev = tail_;
  (tail_ != nullptr ? tail_->next : head_) = &node;
  tail_ = &node;
}

void wait_queue::push_front(wait_node& node) noexcept {
  node.linked = true;
  node.prev = nullptr;
  node.next = head_;
  (head_ != nullptr ? head_->prev : tail_) = &node;
  head_ = &node;
}

bool wait_queue::remove(wait_node& node) noexcept {
  if (!node.linked) return false;
  node.linked = false;
  (node.prev != nullptr ? node.prev->next : head_) = node.next;
  (node.next != nullptr ? node.next->prev : tail_) = node.prev;
  return true;
}

inline wait_node* wait_queue::pop_front() noexcept {
  wait_node* const node = head_;
  if (node == nullptr) return nullptr;
  node->linked = false;
  head_ = node->next;
  (head_ != nullptr ? head_->prev : tail_) = nullptr;
  return node;
}

wait_node* wait_queue::claim_front() noexcept {
  while (wait_node* const node = pop_front()) {
    // Losing means that a timer, a stop or another queue was first. The waiter is on its way to take this lock and
    // unlink, so the node lives until we release it.
    if (node->claim()) return node;
  }
  return nullptr;
}

waiter* wait_queue::claim_waiter() noexcept {
  while (wait_node* const node = pop_front()) {
    waiter* const who = node->who;
    if (node->claim()) return who;
  }
  return nullptr;
}

void wait_queue::check_abandoned() const noexcept {
  std::string who;
  for (const wait_node* node = head_; node != nullptr; node = node->next) {
    if (node->who->state.epoch() != node->epoch) continue;  // given up, with its fiber, by the end of its runtime
    if (!who.empty()) who += ", ";
    who += node->who->is_fiber() ? "fiber '" + std::string(static_cast<const fiber_block*>(node->who)->name()) + "'"
                                 : std::string("a plain thread");
  }
  if (who.empty()) return;
  who = "destroyed while somebody waits in it: join its users first; there waits " + who;
  check_failed(__FILE__, __LINE__, "no waiters", who.c_str());
}

}  // namespace sennit::inline v0::detail

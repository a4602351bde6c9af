#include "queue/timer_queue.hpp"

#include <algorithm>
#include <utility>

namespace sennit::inline v0::detail {

void timer_queue::insert(timer_node& node, nanos now) noexcept {
  base_ = std::max(base_, std::min(bucket_of(now), first_));
  const nanos number = bucket_of(node.deadline);
  if (near_.top() == nullptr || node.deadline < near_.top()->deadline || number < base_) {
    near_.insert(node);
    node.place = timer_place::near;
  } else if (number - base_ < buckets) {
    put_in_bucket(node);
  } else {
    far_.insert(node);
    node.place = timer_place::far;
  }
  publish(1);
}

bool timer_queue::remove(timer_node& node) noexcept {
  switch (node.place) {
    case timer_place::none: return false;
    case timer_place::near:
      near_.remove(node);
      refill();
      break;
    case timer_place::bucket: take_from_bucket(node); break;
    case timer_place::far: far_.remove(node); break;
  }
  node.place = timer_place::none;
  publish(-1);
  return true;
}

timer_node* timer_queue::pop_due(nanos now) noexcept {
  if (next_deadline() > now) return nullptr;
  timer_node* const near = near_.top();
  timer_node* const far = far_.top();
  timer_node* const first = near == nullptr || (far != nullptr && far->deadline < near->deadline) ? far : near;
  if (first != nullptr) remove(*first);
  return first;
}

void timer_queue::put_in_bucket(timer_node& node) noexcept {
  const nanos number = bucket_of(node.deadline);
  timer_node*& head = bucket(number);
  node.prev = nullptr;
  node.next = head;
  if (head != nullptr) head->prev = &node;
  head = &node;
  node.place = timer_place::bucket;
  ++in_buckets_;
  first_ = std::min(first_, number);
}

void timer_queue::take_from_bucket(timer_node& node) noexcept {
  const nanos number = bucket_of(node.deadline);
  (node.prev != nullptr ? node.prev->next : bucket(number)) = node.next;
  if (node.next != nullptr) node.next->prev = node.prev;
  --in_buckets_;
  if (number == first_ && bucket(number) == nullptr) find_first_bucket(number + 1);
}

void timer_queue::find_first_bucket(nanos from) noexcept {
  first_ = in_buckets_ == 0 ? no_bucket : from;
  while (first_ != no_bucket && bucket(first_) == nullptr) ++first_;
}

/// The top of near_ has changed: what may be due before it joins it.
void timer_queue::refill() noexcept {
  while (first_ != no_bucket && (near_.top() == nullptr || bucket_of(near_.top()->deadline) >= first_)) {
    timer_node* rest = std::exchange(bucket(first_), nullptr);
    while (timer_node* const node = rest) {
      rest = node->next;
      near_.insert(*node);
      node->place = timer_place::near;
      --in_buckets_;
    }
    base_ = first_ + 1;
    find_first_bucket(base_);
  }
}

void timer_queue::publish(std::ptrdiff_t more) noexcept {
  const auto deadline_of = [](const timer_node* node) { return node == nullptr ? never : node->deadline; };
  next_.store(std::min(deadline_of(near_.top()), deadline_of(far_.top())), relaxed);  // mm:timer-next
  size_.store(size_.load(relaxed) + static_cast<std::size_t>(more), relaxed);         // mm:timer-next
}

}  // namespace sennit::inline v0::detail

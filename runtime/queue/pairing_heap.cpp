#include "queue/pairing_heap.hpp"

namespace sennit::inline v0::detail {

timer_node* pairing_heap::meld(timer_node* a, timer_node* b) noexcept {
  if (b->deadline < a->deadline) {
    timer_node* t = a;
    a = b;
    b = t;
  }
  // b becomes the first child of a.
  b->prev = a;
  b->next = a->child;
  if (a->child != nullptr) a->child->prev = b;
  a->child = b;
  a->next = a->prev = nullptr;
  return a;
}

timer_node* pairing_heap::merge_pairs(timer_node* first) noexcept {
  // Left to right in pairs, kept as a list in reverse order; then right to left into one. No recursion: a heap of a
  // million sleepers may be one list of siblings.
  timer_node* done = nullptr;
  while (first != nullptr) {
    timer_node* a = first;
    timer_node* b = a->next;
    first = b != nullptr ? b->next : nullptr;
    timer_node* pair = a;
    if (b != nullptr) {
      pair = meld(a, b);
    }
    pair->next = done;
    done = pair;
  }
  timer_node* root = nullptr;
  while (done != nullptr) {
    timer_node* rest = done->next;
    done->next = done->prev = nullptr;
    root = root == nullptr ? done : meld(root, done);
    done = rest;
  }
  return root;
}

void pairing_heap::remove(timer_node& node) noexcept {
  if (&node == root_) {
    root_ = merge_pairs(node.child);
    return;
  }
  (node.prev->child == &node ? node.prev->child : node.prev->next) = node.next;
  if (node.next != nullptr) node.next->prev = node.prev;
  if (timer_node* orphans = merge_pairs(node.child)) root_ = meld(root_, orphans);
}

}  // namespace sennit::inline v0::detail

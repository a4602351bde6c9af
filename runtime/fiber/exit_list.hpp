#pragma once
#include <utility>

#include <sennit/detail/exit_node.hpp>

namespace sennit::inline v0::detail {

/// The exit_nodes of a fiber or a plain thread: touched by nobody else.
class exit_list {
 public:
  void add(exit_node& node) noexcept { node.next = std::exchange(head_, &node); }
  /// Runs all, the newest first, also those that are added meanwhile.
  void run() noexcept {
    while (head_ != nullptr) {
      exit_node& node = *head_;
      head_ = node.next;  // before run(), which may free the node
      node.run(node);
    }
  }

 private:
  exit_node* head_ = nullptr;
};

}  // namespace sennit::inline v0::detail

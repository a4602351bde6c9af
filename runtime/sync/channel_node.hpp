#pragma once
#include "fiber/waiter.hpp"

namespace sennit::inline v0::detail {

/// On the waiter's stack. The slot holds a sender's message, or has room for a receiver's.
struct channel_node : wait_node {
  channel_node(waiter& w, std::uint16_t case_index, void* at) noexcept : wait_node(w, case_index), slot(at) {}

  void* const slot;
  bool closed = false;  // written by close() between claim and ready
};

}  // namespace sennit::inline v0::detail

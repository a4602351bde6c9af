#pragma once
#include <cstdint>

#include "base/time.hpp"

namespace sennit::inline v0::detail {

/// Where a timer_queue holds a node.
enum class timer_place : std::uint8_t { none, near, bucket, far };

/// Embedded in a control block: a fiber has at most one deadline armed, the one of the park it is in. Linked in one
/// timer_queue (queue/timer_queue.hpp) and touched under that queue's lock.
struct timer_node {
  nanos deadline = 0;
  std::uint32_t epoch = 0;  // of the park it belongs to
  timer_place place = timer_place::none;
  timer_node* child = nullptr;
  timer_node* next = nullptr;
  timer_node* prev = nullptr;  // left sibling, or the parent of a first child
};

}  // namespace sennit::inline v0::detail

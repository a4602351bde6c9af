#pragma once
#include "context/context.hpp"

/// For functions that touch what a thread owns, from whatever context runs there.
#define SENNIT_NO_TSAN __attribute__((no_sanitize("thread")))

namespace sennit::inline v0::detail {

/// Around code that runs on a fiber's stack but for the thread: its queues, its caches, the post-switch hook. To TSan the
/// contexts of one thread are unordered, so each would race with the next one there; an edge between them would hide
/// their real races. So this code runs under the identity that the thread had before it ran contexts. No switch inside.
class tsan_section {
 public:
#if SENNIT_TSAN
  __attribute__((always_inline)) SENNIT_NO_TSAN explicit tsan_section(void* const& identity) noexcept
      : before_(__tsan_get_current_fiber()) {
    __tsan_switch_to_fiber(identity, __tsan_switch_to_fiber_no_sync);
  }
  __attribute__((always_inline)) SENNIT_NO_TSAN ~tsan_section() {
    __tsan_switch_to_fiber(before_, __tsan_switch_to_fiber_no_sync);
  }
#else
  explicit tsan_section(void* const&) noexcept {}
  ~tsan_section() {}
#endif
  tsan_section(const tsan_section&) = delete;
  tsan_section& operator=(const tsan_section&) = delete;

 private:
#if SENNIT_TSAN
  void* before_;
#endif
};

/// The identities that a thread of contexts needs. Set on that thread before it runs the first context.
struct tsan_thread {
  void* self = nullptr;     // its own
  void* nursery = nullptr;  // one that has seen nothing: a new context inherits what its maker has seen
  SENNIT_NO_TSAN void enter() noexcept {
#if SENNIT_TSAN
    self = __tsan_get_current_fiber();
    nursery = __tsan_create_fiber(0);
#endif
  }
  SENNIT_NO_TSAN void leave() noexcept {
#if SENNIT_TSAN
    __tsan_destroy_fiber(nursery);
#endif
  }
};

}  // namespace sennit::inline v0::detail

#pragma once
#include "base/sanitizer.hpp"
#include "context/context.hpp"

#if SENNIT_TSAN
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace sennit::inline v0::detail {

/// Around code that runs on a fiber's stack but for the thread: its queues, its caches, the post-switch hook. To TSan
/// the contexts of one thread are unordered, so each would race with the next one there; an edge between them would
/// hide their real races. So this code runs under the identity that the thread had before it ran contexts, from where
/// its atomic operations make edges; plain accesses are not looked at, since its frames lie on the fiber's stack. No
/// switch inside.
class tsan_section {
 public:
#if SENNIT_TSAN
  __attribute__((always_inline)) SENNIT_NO_TSAN explicit tsan_section(void* identity) noexcept
      : before_(__tsan_get_current_fiber()) {
    __tsan_switch_to_fiber(identity, __tsan_switch_to_fiber_no_sync);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  __attribute__((always_inline)) SENNIT_NO_TSAN ~tsan_section() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    __tsan_switch_to_fiber(before_, __tsan_switch_to_fiber_no_sync);
  }
#else
  explicit tsan_section(void*) noexcept {}
  ~tsan_section() {}
#endif
  tsan_section(const tsan_section&) = delete;
  tsan_section& operator=(const tsan_section&) = delete;

 private:
#if SENNIT_TSAN
  void* before_;
#endif
};

/// The identities that a thread of contexts needs; enter() on that thread before it runs the first one.
class tsan_thread {
 public:
  SENNIT_NO_TSAN void enter() noexcept {
#if SENNIT_TSAN
    self_ = __tsan_get_current_fiber();
    nursery_ = __tsan_create_fiber(0);
#endif
  }
  SENNIT_NO_TSAN void leave() noexcept {
#if SENNIT_TSAN
    __tsan_destroy_fiber(nursery_);
#endif
  }
  /// The thread's own.
  [[nodiscard]] SENNIT_NO_TSAN void* self() const noexcept { return self_; }
  /// One that has seen nothing: a new context inherits what its maker has seen.
  [[nodiscard]] SENNIT_NO_TSAN void* nursery() const noexcept { return nursery_; }

 private:
  void* self_ = nullptr;
  void* nursery_ = nullptr;
};

}  // namespace sennit::inline v0::detail

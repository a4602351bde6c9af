#pragma once
#include "base/sanitizer.hpp"

#if SENNIT_TSAN
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace sennit::inline v0::detail {

/// On a fiber's stack, around code that touches what belongs to the worker's thread. To TSan the fibers of one worker are
/// unordered, so it would see each of them race with the next one there; an edge between them would hide their real races.
/// Plain accesses are not looked at while it lives; atomic ones and their edges count. No switch inside.
class tsan_section {
 public:
#if SENNIT_TSAN
  tsan_section() noexcept {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~tsan_section() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  tsan_section() noexcept {}
  ~tsan_section() {}
#endif
  tsan_section(const tsan_section&) = delete;
  tsan_section& operator=(const tsan_section&) = delete;
};

}  // namespace sennit::inline v0::detail

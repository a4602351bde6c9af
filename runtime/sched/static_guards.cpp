// Only with SENNIT_DEBUG_CHECKS: counts the initialisers of function-local statics that a thread is in, so that a wait
// inside of one is noticed (hazard 23). The compiler calls these three functions of the C++ ABI around each such
// initialiser; ours come first in the program and hand on to the ones of the C++ library. Code in shared libraries that
// do not link sennit calls those directly, and is not seen.
#include <cxxabi.h>
#include <dlfcn.h>

#include "sched/current.hpp"

namespace {

template <class F>
F* next(const char* name) noexcept {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

namespace __cxxabiv1 {

extern "C" int __cxa_guard_acquire(__guard* g) {
  const int mine = next<int(__guard*)>("__cxa_guard_acquire")(g);
  if (mine != 0) ++sennit::detail::static_initialisers();
  return mine;
}

extern "C" void __cxa_guard_release(__guard* g) noexcept {
  --sennit::detail::static_initialisers();
  next<void(__guard*)>("__cxa_guard_release")(g);
}

extern "C" void __cxa_guard_abort(__guard* g) noexcept {
  --sennit::detail::static_initialisers();
  next<void(__guard*)>("__cxa_guard_abort")(g);
}

}  // namespace __cxxabiv1

#pragma once
#include <cerrno>

#include "base/sanitizer.hpp"

namespace sennit::inline v0::detail {

/// The result of a system call as the host's tables return it. errno is read at once, before anything can switch. TSan
/// does not look: to it the fibers of a worker are threads, which it would see share errno with the worker's own start.
template <class T>
[[gnu::noinline]] SENNIT_NO_TSAN T host_result(T value) noexcept {
  return value < 0 ? static_cast<T>(-errno) : value;
}

}  // namespace sennit::inline v0::detail

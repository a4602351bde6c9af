#pragma once
// Names as the source has them.
#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace sennit::inline v0::detail {

/// What the linker's `name` stands for; itself if it is none of C++'s; empty for null. Throws bad_alloc. Any thread.
inline std::string demangled(const char* name) {
  if (name == nullptr) return {};
  const std::unique_ptr<char, decltype(&std::free)> readable(abi::__cxa_demangle(name, nullptr, nullptr, nullptr),
                                                             &std::free);
  return readable != nullptr ? readable.get() : name;
}

}  // namespace sennit::inline v0::detail

#include <dlfcn.h>

#include <sennit/inspect.hpp>

#include "base/atomic.hpp"
#include "base/demangle.hpp"

namespace sennit::inline v0 {
namespace {

std::vector<code_location> by_the_loader(const void* return_address) {
  const auto address = reinterpret_cast<std::uintptr_t>(return_address) - 1;  // in the call, not behind it
  code_location out;
  Dl_info found{};
  if (::dladdr(reinterpret_cast<const void*>(address), &found) == 0) return {out};
  if (found.dli_fname != nullptr) out.module = found.dli_fname;
  out.offset = address - reinterpret_cast<std::uintptr_t>(found.dli_fbase);
  out.function = detail::demangled(found.dli_sname);
  return {out};
}

constinit detail::atomic<symbolizer> chosen{nullptr};

}  // namespace

symbolizer set_symbolizer(symbolizer use) noexcept { return chosen.exchange(use, detail::acq_rel); }  // mm:symbolizer

std::vector<code_location> locate(const void* return_address) {
  const symbolizer use = chosen.load(detail::acquire);  // mm:symbolizer
  return use != nullptr ? use(return_address) : by_the_loader(return_address);
}

}  // namespace sennit::inline v0

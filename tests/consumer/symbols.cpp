// Built against an installed sennit::symbols, of which nothing is called: to be linked is enough.
#include <cstdio>

#include <sennit/inspect.hpp>

namespace {
// The program does not export its name: the loader does not know it.
[[gnu::noinline]] const void* somewhere() { return __builtin_extract_return_addr(__builtin_return_address(0)); }
[[gnu::noinline]] const void* hidden_function() {
  const void* const here = somewhere();
  asm volatile("");
  return here;
}
}  // namespace

int main() {
  const auto at = sennit::locate(hidden_function());
  std::printf("consumer_symbols: %s\n", at.front().function.c_str());
  return at.front().function.find("hidden_function") != std::string::npos ? 0 : 1;
}

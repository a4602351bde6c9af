#pragma once
// Backtraces as text.
#include <map>
#include <string>
#include <vector>

#include <sennit/inspect.hpp>

namespace sennit::inline v0::detail {

/// Asks locate() once for each address. One thread at a time.
class frame_names {
 public:
  /// Without this library's own functions: within the one that was called and waits, and what started the fiber. They
  /// live as long as this object. Throws bad_alloc.
  std::vector<const code_location*> frames(const std::vector<const void*>& backtrace);
  /// The same as text, a line, begun by a newline, for each.
  std::string lines(const std::vector<const void*>& backtrace);

 private:
  std::map<const void*, std::vector<code_location>> known_;
};

}  // namespace sennit::inline v0::detail

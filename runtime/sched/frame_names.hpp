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
  /// A line, begun by a newline, for each function, without this library's own: within the one that was called and
  /// waits, and what started the fiber. Throws bad_alloc.
  std::string lines(const std::vector<const void*>& backtrace);

 private:
  std::map<const void*, std::vector<code_location>> known_;
};

}  // namespace sennit::inline v0::detail

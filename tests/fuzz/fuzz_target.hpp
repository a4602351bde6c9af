#pragma once
// What is fuzzed: functions from bytes to nothing, that end the process when a promise is broken. libFuzzer invents
// bytes for each (lane fuzz); the corpora are replayed as ordinary tests in lanes release and asan.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sennit/error.hpp>
#include <sennit/stop_token.hpp>

#include "base/random.hpp"

namespace sennit::test {

/// One per *_fuzz.cpp, which defines it at namespace scope: so a program has the targets whose files are linked.
struct fuzz_target {
  using function = void (*)(std::span<const std::uint8_t>);
  fuzz_target(std::string_view its_name, function f) : name(its_name), run(f) { all().push_back(*this); }
  /// Those of this program.
  static std::vector<fuzz_target>& all() {
    static std::vector<fuzz_target> list;
    return list;
  }
  std::string_view name;  ///< of its corpus: tests/fuzz/corpus/NAME
  function run;
};

/// Ends the process, which is how a finding is told.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Takes an input apart: decisions from its front, the rest is what is parsed. At its end all decisions are 0.
class fuzz_input {
 public:
  explicit fuzz_input(std::span<const std::uint8_t> bytes) : left_(bytes) {}

  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t b = left_.front();
    left_ = left_.subspan(1);
    return b;
  }
  std::uint16_t word() {
    const std::uint16_t high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  /// The next `size` bytes, fewer at the end.
  std::string text(std::size_t size) {
    const auto taken = left_.first(std::min(size, left_.size()));
    left_ = left_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
  std::string rest() { return text(left_.size()); }
  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }

 private:
  std::span<const std::uint8_t> left_;
};

/// A stream that gives a text in pieces of random length, and takes what is written. Never waits.
class fuzzed_stream {
 public:
  fuzzed_stream(std::string_view text, std::uint64_t cuts, bool fails = false)
      : text_(text), random_(cuts), fails_(fails) {}

  std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& = {}) {
    ec.clear();
    if (fails_ && random_.below(8) == 0) {
      ec = error::deadline_passed;
      return 0;
    }
    const std::size_t most = std::min({into.size(), text_.size(), std::size_t{1} + random_.below(longest_piece)});
    std::copy_n(text_.begin(), most, reinterpret_cast<char*>(into.data()));
    text_.remove_prefix(most);
    return most;
  }
  std::size_t read_some(std::span<std::byte> into, const stop_token& stop = {}) {
    std::error_code ec;
    const std::size_t n = read_some(into, ec, stop);
    if (ec) throw std::system_error(ec);
    return n;
  }
  std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& = {}) {
    ec.clear();
    const std::size_t n = std::min<std::size_t>(from.size(), 1 + random_.below(longest_piece));
    written.append(reinterpret_cast<const char*>(from.data()), n);
    return n;
  }
  std::size_t write_some(std::span<const std::byte> from, const stop_token& stop = {}) {
    std::error_code ec;
    return write_some(from, ec, stop);
  }

  std::string written;

 private:
  static constexpr std::uint32_t longest_piece = 700;

  std::string_view text_;
  detail::random_source random_;
  bool fails_;
};

}  // namespace sennit::test

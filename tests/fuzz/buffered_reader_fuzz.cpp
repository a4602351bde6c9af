// buffered_reader beside a model that has the whole text: limits, delimiters, errors in between.
#include <cstring>
#include <vector>

#include <sennit/buffered_reader.hpp>

#include "fuzz/fuzz_target.hpp"

namespace sennit::test {
namespace {

/// The reader, and how much of the text it has given.
class reader_beside_model {
 public:
  reader_beside_model(std::string_view text, std::size_t limit, std::uint64_t cuts, bool fails)
      : text_(text), limit_(limit), stream_(text, cuts, fails), in_(stream_, limit) {}

  void step(fuzz_input& decide) {
    switch (decide.byte() % 7) {
      case 0: return line();
      case 1: return until(decide.text(1 + decide.byte() % 4));
      case 2: return peek(decide.word());
      case 3: return read(decide.word() % 9000, false);
      case 4: return read(decide.word() % 9000, true);
      case 5: {
        const std::size_t dropped = std::min<std::size_t>(decide.byte(), in_.buffered().size());
        in_.consume(dropped);
        text_.remove_prefix(dropped);
        break;
      }
      default: must(starts(in_.buffered()), "what is buffered comes next");
    }
  }

 private:
  [[nodiscard]] bool starts(std::span<const std::byte> b) const {
    return b.size() <= text_.size() && (b.empty() || std::memcmp(b.data(), text_.data(), b.size()) == 0);
  }
  /// A piece that is too long stays; one byte of it is dropped to get on.
  void too_long(std::size_t end) {
    must(text_.size() >= limit_ && end > limit_, "message_size says that a piece is longer than the limit");
    must(in_.buffered().size() <= limit_, "the buffer holds no more than the limit");
    const std::size_t one = std::min<std::size_t>(1, in_.buffered().size());
    in_.consume(one);
    text_.remove_prefix(one);
  }

  void line() {
    std::error_code ec;
    const auto got = in_.read_line(ec);
    const auto newline = text_.find('\n');
    const std::size_t end = newline == std::string_view::npos ? newline : newline + 1;
    if (ec == std::errc::message_size) return too_long(end);
    if (ec) return must(ec == error::deadline_passed && !got, "an error takes nothing");
    if (!got) return must(text_.empty(), "no line at the end only");
    std::string_view expected = text_.substr(0, end);
    text_.remove_prefix(expected.size());
    if (expected.ends_with('\n')) expected.remove_suffix(expected.ends_with("\r\n") ? 2 : 1);
    must(*got == expected, "the line is the text's");
  }

  void until(const std::string& delimiter) {
    std::error_code ec;
    const auto got = in_.read_until(delimiter, ec);
    if (delimiter.empty()) return must(ec == std::errc::invalid_argument && got.empty(), "no delimiter");
    const auto at = text_.find(delimiter);
    const std::size_t end = at == std::string_view::npos ? at : at + delimiter.size();
    if (ec == std::errc::message_size) return too_long(end);
    if (ec) return must(ec == error::deadline_passed && got.empty(), "an error takes nothing");
    must(got == text_.substr(0, end), "up to the delimiter and no further");
    text_.remove_prefix(got.size());
  }

  void peek(std::size_t size) {
    std::error_code ec;
    const auto got = in_.peek(size, ec);
    if (size > limit_) return must(ec == std::errc::message_size && got.empty(), "no look beyond the limit");
    if (ec) return must(ec == error::deadline_passed && got.empty(), "no other error");
    must(got.size() >= std::min(size, text_.size()) && starts(got), "what is seen is what comes");
  }

  void read(std::size_t size, bool exactly) {
    std::vector<std::byte> into(size);
    std::error_code ec;
    const std::size_t n = exactly ? in_.read_exact(into, ec) : in_.read_some(into, ec);
    must(n <= size && starts(std::span(into).first(n)), "what is read is the text");
    text_.remove_prefix(n);
    if (ec == error::end_of_stream) return must(exactly && text_.empty() && n < size, "the end came before");
    if (ec) return must(ec == error::deadline_passed && (exactly || n == 0), "no other error");
    if (exactly) return must(n == size, "all of it");
    must(n > 0 || size == 0 || text_.empty(), "nothing at the end only");
  }

  std::string_view text_;  // what is still to come
  std::size_t limit_;
  fuzzed_stream stream_;
  buffered_reader<fuzzed_stream> in_;
};

void fuzz_buffered_reader(std::span<const std::uint8_t> bytes) {
  fuzz_input input(bytes);
  const std::uint8_t kind = input.byte();
  const std::size_t limit = std::size_t{input.byte()} * (kind % 3 == 0 ? 1 : kind % 3 == 1 ? 64 : 4096);
  const std::uint64_t cuts = input.word();
  const std::string script = input.text(input.byte());
  const std::string text = input.rest();
  reader_beside_model reader(text, limit, cuts, (kind & 0x80) != 0);
  fuzz_input decide({reinterpret_cast<const std::uint8_t*>(script.data()), script.size()});
  while (!decide.empty()) reader.step(decide);
}

const fuzz_target it("buffered_reader", fuzz_buffered_reader);

}  // namespace
}  // namespace sennit::test

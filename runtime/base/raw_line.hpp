#pragma once
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sennit::inline v0::detail {

/// A line for write(2), built without malloc, stdio or locale: for signal handlers, which may have interrupted any of
/// them. What does not fit is cut off.
class raw_line {
 public:
  raw_line& operator<<(std::string_view text) noexcept {
    const std::size_t n = std::min(text.size(), text_.size() - used_);
    std::copy_n(text.data(), n, text_.data() + used_);
    used_ += n;
    return *this;
  }
  raw_line& number(std::uint64_t value, unsigned base = 10) noexcept {
    std::array<char, 20> digits;
    std::size_t at = digits.size();
    do digits[--at] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    return *this << std::string_view(digits.data() + at, digits.size() - at);
  }
  void write_to(int fd) const noexcept { [[maybe_unused]] const auto ignored = ::write(fd, text_.data(), used_); }

 private:
  std::array<char, 512> text_;
  std::size_t used_ = 0;
};

}  // namespace sennit::inline v0::detail

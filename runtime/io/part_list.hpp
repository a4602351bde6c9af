#pragma once
// What is left to do of a vectored read or write.
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace sennit::inline v0::detail {

/// Lives in one call; refers to its buffers. Byte is std::byte or const std::byte.
template <class Byte>
class part_list {
 public:
  explicit part_list(std::span<const std::span<Byte>> parts) noexcept : rest_(parts) { skip_empty(); }

  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }

  /// The next parts for one system call: valid until advance().
  std::span<const iovec> window() noexcept {
    std::size_t count = 0;
    size_ = 0;
    for (const auto& part : rest_.first(std::min(rest_.size(), window_.size()))) {
      const std::span<Byte> left = count == 0 ? part.subspan(done_of_first_) : part;
      // const_cast: iovec is one type for reading and writing
      window_[count++] = {const_cast<std::byte*>(left.data()), left.size()};
      size_ += left.size();
    }
    return std::span(window_).first(count);
  }
  /// Bytes of the last window.
  [[nodiscard]] std::size_t window_size() const noexcept { return size_; }

  void advance(std::size_t bytes) noexcept {
    while (bytes > 0) {
      const std::size_t left = rest_.front().size() - done_of_first_;
      if (bytes < left) {
        done_of_first_ += bytes;
        return;
      }
      bytes -= left;
      done_of_first_ = 0;
      rest_ = rest_.subspan(1);
    }
    skip_empty();
  }

 private:
  void skip_empty() noexcept {
    while (!rest_.empty() && rest_.front().size() == done_of_first_) {
      rest_ = rest_.subspan(1);
      done_of_first_ = 0;
    }
  }

  std::span<const std::span<Byte>> rest_;
  std::size_t done_of_first_ = 0;
  std::array<iovec, 64> window_;
  std::size_t size_ = 0;
};

}  // namespace sennit::inline v0::detail

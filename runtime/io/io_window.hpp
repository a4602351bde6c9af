#pragma once
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <span>
#include <utility>

namespace sennit::inline v0::detail {

/// What is left of a list of buffers, as the kernel takes it, at most `Capacity` at a time: by default as many as a
/// page of stack has room for. One operation's own.
template <class Buffer, std::size_t Capacity = 256>
class io_window {
 public:
  static_assert(Capacity <= IOV_MAX);

  explicit io_window(std::span<const Buffer> list) noexcept : rest_(list) { fill(); }

  /// Nothing left to move.
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] iovec* parts() noexcept { return parts_.data(); }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// Bytes in the window: what a full result is. At most what a result can say.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// `n` bytes have gone: a part of a buffer, or many.
  void advance(std::size_t n) noexcept {
    while (!rest_.empty() && n >= rest_.front().size() - offset_) {
      n -= rest_.front().size() - offset_;
      offset_ = 0;
      rest_ = rest_.subspan(1);
    }
    offset_ += n;
    fill();
  }

 private:
  void fill() noexcept {
    count_ = size_ = 0;
    std::size_t skipped = offset_;
    for (const Buffer& b : rest_) {
      const auto part = b.subspan(std::exchange(skipped, 0));
      if (part.empty()) continue;
      const std::size_t room = SSIZE_MAX - size_;  // else the call would fail with EINVAL
      if (count_ == Capacity || room == 0) break;
      const std::size_t taken = std::min(part.size(), room);
      parts_[count_++] = {const_cast<std::byte*>(part.data()), taken};
      size_ += taken;
    }
  }

  std::span<const Buffer> rest_;
  std::size_t offset_ = 0;  // of rest_.front(), bytes that have gone
  std::size_t count_ = 0;
  std::size_t size_ = 0;
  std::array<iovec, Capacity> parts_;
};

}  // namespace sennit::inline v0::detail

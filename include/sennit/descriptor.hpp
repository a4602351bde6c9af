#pragma once
#include <utility>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {

/// Owns a descriptor that no stream has yet, and closes it. Movable; one owner, any thread.
class descriptor {
 public:
  descriptor() noexcept = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  SENNIT_API ~descriptor();

  /// The number, or -1.
  [[nodiscard]] int get() const noexcept { return fd_; }
  /// Gives it away: to adopt(), for instance.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace sennit::inline v0

#pragma once
// A blocking TCP socket with the two calls of sennit::tcp_stream that the echo handler makes.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

namespace bench {

/// Owned and used by the thread of its connection.
class blocking_stream {
 public:
  explicit blocking_stream(int fd) noexcept : fd_(fd) {}
  blocking_stream(blocking_stream&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  blocking_stream& operator=(blocking_stream&&) = delete;
  ~blocking_stream() {
    if (fd_ >= 0) ::close(fd_);
  }

  std::size_t read_some(std::span<std::byte> into) {
    for (;;) {
      const auto n = ::recv(fd_, into.data(), into.size(), 0);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "recv");
    }
  }
  void write_all(std::span<const std::byte> from) {
    while (!from.empty()) {
      const auto n = ::send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        from = from.subspan(static_cast<std::size_t>(n));
      } else if (errno != EINTR) {
        throw std::system_error(errno, std::generic_category(), "send");
      }
    }
  }
  [[nodiscard]] int native_handle() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace bench

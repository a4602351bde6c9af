#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "tls/openssl.hpp"

namespace sennit::inline v0::detail {

/// What is between OpenSSL and the stream: records that came, which OpenSSL takes, and records that it made. It reads
/// and writes here only, so that no call of it waits. Owned by a tls_core, under its lock.
class buffer_bio {
 public:
  /// A BIO on this, which must outlive it; null if there is no memory.
  [[nodiscard]] bio_ptr make_bio() noexcept;

  /// Whether there are bytes that OpenSSL has not taken.
  [[nodiscard]] bool has_input() const noexcept { return taken_ < filled_; }
  /// Room for more, once there are none. It is the filler's until filled(), which may come under another lock: until
  /// then there is nothing to take.
  [[nodiscard]] std::span<std::byte> room();
  void filled(std::size_t n) noexcept { filled_ = n; }

  [[nodiscard]] bool has_output() const noexcept { return !made_.empty() || has_leaving(); }
  /// What goes out next. It is the sender's until it says how much is gone; what OpenSSL makes meanwhile comes later.
  [[nodiscard]] std::span<const std::byte> leaving() noexcept;
  void gone(std::size_t n) noexcept;
  /// Whether something that was to leave has not.
  [[nodiscard]] bool has_leaving() const noexcept { return gone_ < leaving_.size(); }
  /// Whether OpenSSL has made more than it may while nothing could leave: the peer makes it answer, and does not read.
  [[nodiscard]] bool is_flooded() const noexcept { return made_.size() > most_answers; }

 private:
  // Far more than what one call makes OpenSSL write but for data, which waits for its turn.
  static constexpr std::size_t most_answers = std::size_t{64} * 1024;
  // Enough for small messages; who gets much has several records come at once.
  static constexpr std::size_t least_room = 4096;
  static constexpr std::size_t most_room = std::size_t{64} * 1024;

  static int on_read(BIO* bio, char* into, std::size_t size, std::size_t* done) noexcept;
  static int on_write(BIO* bio, const char* from, std::size_t size, std::size_t* done) noexcept;
  static long on_control(BIO* bio, int command, long number, void* pointer) noexcept;
  static const BIO_METHOD* method() noexcept;

  std::vector<std::byte> input_;
  std::size_t taken_ = 0;
  std::size_t filled_ = 0;
  std::vector<std::byte> made_;
  std::vector<std::byte> leaving_;
  std::size_t gone_ = 0;
};

}  // namespace sennit::inline v0::detail

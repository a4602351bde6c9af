#pragma once
// A file that is sent: which part of it is in memory, and how the rest gets there.
#include <cstddef>
#include <cstdint>
#include <span>

#include <sennit/file.hpp>

#include "io/file_call.hpp"

namespace sennit::inline v0::detail {

/// Refers to a file. One operation's own. Each call uses the file for itself: closed in between, the next one says
/// io_closed. Results are counts, 0 at the end of the file, or less than zero as those of perform().
class file_source {
 public:
  /// What send_cached() says of a part that has to be brought to memory, by fetch().
  static constexpr std::ptrdiff_t not_cached = -100'201;
  /// The same where nobody can tell, or the kernel cannot send from this file: by read().
  static constexpr std::ptrdiff_t cannot_send = -100'202;

  explicit file_source(const file& from) noexcept : from_(from) {}

  /// Gives what is in memory of the file from `offset` on, `most` bytes and a part at most, to the stream `to`, by
  /// sendfile(2). On a worker it waits for no device; -EAGAIN is the stream's.
  std::ptrdiff_t send_cached(host& outside, int to, std::int64_t offset, std::size_t most) const noexcept;
  /// Brings as much to memory.
  std::ptrdiff_t fetch(std::int64_t offset, std::size_t most, wait_bound until) const noexcept;
  std::ptrdiff_t read(std::span<std::byte> into, std::int64_t offset, wait_bound until) const noexcept;

 private:
  const file& from_;
};

}  // namespace sennit::inline v0::detail

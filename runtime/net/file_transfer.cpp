// Files to streams and back.
#include <algorithm>
#include <limits>
#include <memory>

#include <sennit/detail/byte_stream.hpp>
#include <sennit/send_file.hpp>

#include "io/error_code.hpp"
#include "io/file_source.hpp"
#include "net/shared_io.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0::detail {
namespace {

/// One send_file(). What is in memory goes by sendfile(2). What is not is brought there first; if it has gone again
/// when its turn comes, or if there is no other way with this file, a part goes through a buffer.
class sending {
 public:
  sending(byte_stream& to, const io_handle& handle, const file& from, const stop_token& stop)
      : to_(to), handle_(handle), source_(from), stop_(stop), copies_(is_shared(handle)) {}

  /// Sends a part of at most `most` bytes. How many: 0 at the end of the file and on an error.
  std::size_t send_part(std::int64_t at, std::size_t most, std::error_code& ec) noexcept {
    most = std::min(most, static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max() - at));
    if (copies_) return by_buffer(at, most, ec);
    std::ptrdiff_t result = by_kernel(at, most);
    if (result == file_source::not_cached) {
      const std::ptrdiff_t there = source_.fetch(at, most, until());
      if (there <= 0) return settle(there, ec);
      result = by_kernel(at, static_cast<std::size_t>(there));
    }
    copies_ = result == file_source::cannot_send;
    return copies_ || result == file_source::not_cached ? by_buffer(at, most, ec) : settle(result, ec);
  }

 private:
  [[nodiscard]] wait_bound until() const noexcept { return {handle_.slot()->deadline(), &stop_}; }

  std::ptrdiff_t by_kernel(std::int64_t at, std::size_t most) noexcept {
    // Not counted in bytes: a short result may mean that no more was in memory, not that the stream is full.
    return perform(handle_, direction::write, 0, stop_,
                   [&](host& h) { return source_.send_cached(h, handle_.slot()->fd(), at, most); });
  }

  std::size_t by_buffer(std::int64_t at, std::size_t most, std::error_code& ec) noexcept {
    if (buffer_ == nullptr) buffer_ = part_buffer::make(ec);
    if (buffer_ == nullptr) return 0;
    if (!to_.is_open()) return settle(io_closed, ec);
    const std::size_t read = settle(source_.read(buffer_->first(most), at, until()), ec);
    return ec || read == 0 ? 0 : to_.write_all(buffer_->first(read), ec, stop_);
  }

  byte_stream& to_;
  const io_handle& handle_;
  file_source source_;
  const stop_token& stop_;
  bool copies_;  // also to a blocking descriptor, on which sendfile(2) would wait
  std::unique_ptr<part_buffer> buffer_;
};

}  // namespace

std::uint64_t byte_stream::send_file(const file& from, std::uint64_t offset, std::uint64_t count, std::error_code& ec,
                                     const stop_token& stop) {
  settle(handle_.is_open() ? 0 : io_closed, ec);
  if (!ec) ec = file_access::refusal(from, offset, false);
  sending s(*this, handle_, from, stop);
  return by_parts(count, ec, [&](std::size_t most, std::uint64_t done) {
    return s.send_part(static_cast<std::int64_t>(offset + done), most, ec);
  });
}

std::uint64_t byte_stream::receive_file(file& into, std::uint64_t offset, std::uint64_t count, std::error_code& ec,
                                        const stop_token& stop) {
  return sennit::receive_file(*this, into, offset, count, ec, stop);
}

std::uint64_t byte_stream::send_file(const file& from, std::uint64_t offset, std::uint64_t count,
                                     const stop_token& stop) {
  std::error_code ec;
  const std::uint64_t sent = send_file(from, offset, count, ec, stop);
  if (ec) throw_of(ec, handle_, ("send_file of " + from.path()).c_str());
  return sent;
}

std::uint64_t byte_stream::receive_file(file& into, std::uint64_t offset, std::uint64_t count, const stop_token& stop) {
  std::error_code ec;
  const std::uint64_t received = receive_file(into, offset, count, ec, stop);
  if (ec) throw_of(ec, handle_, ("receive_file into " + into.path()).c_str());
  return received;
}

}  // namespace sennit::inline v0::detail

#pragma once
// Small writes, gathered into large ones.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include <sennit/detail/stream_concepts.hpp>

namespace sennit::inline v0 {

/// Writes to a Stream through a buffer: a tcp_stream or whatever has its write_some(). Refers to the stream, which
/// outlives it and stays where it is. One fiber or thread at a time; another may read from the stream meanwhile.
///
/// Nothing goes out before the buffer is full or flush() is called; the destructor drops what is left. Waits,
/// deadlines, stops and errors are those of the stream's write_some(). An error loses nothing that was taken: what did
/// not go out stays in the buffer, and the next call goes on with it.
template <detail::writable Stream>
class buffered_writer {
 public:
  using const_buffer = std::span<const std::byte>;

  /// Throws std::bad_alloc.
  explicit buffered_writer(Stream& stream, std::size_t capacity = 4096)
      : stream_(&stream), capacity_(capacity), data_(std::make_unique<std::byte[]>(capacity)) {}
  buffered_writer(const buffered_writer&) = delete;
  buffered_writer& operator=(const buffered_writer&) = delete;

  [[nodiscard]] Stream& stream() noexcept { return *stream_; }
  /// How many bytes wait for a flush().
  [[nodiscard]] std::size_t pending() const noexcept { return end_ - begin_; }

  /// Takes all of `from`; what does not fit goes out with what waited before it, in one system call if the stream can.
  /// On an error the count says how much was taken, sent or buffered.
  std::size_t write_all(const_buffer from, const stop_token& stop = {}) { return put(from, nullptr, stop); }
  std::size_t write_all(const_buffer from, std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return put(from, &ec, stop);
  }
  std::size_t write_all(std::string_view text, const stop_token& stop = {}) { return write_all(bytes_of(text), stop); }
  std::size_t write_all(std::string_view text, std::error_code& ec, const stop_token& stop = {}) {
    return write_all(bytes_of(text), ec, stop);
  }

  /// Sends what is left in the buffer.
  void flush(const stop_token& stop = {}) {
    while (pending() != 0) send({}, nullptr, stop);
  }
  void flush(std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    while (pending() != 0 && !ec) send({}, &ec, stop);
  }

 private:
  static const_buffer bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

  /// One call of the stream, with what is left and what follows it; how much of the latter went out. Throws before
  /// anything has changed.
  std::size_t send(const_buffer next, std::error_code* ec, const stop_token& stop) {
    const const_buffer left(data_.get() + begin_, pending());
    std::size_t count = 0;
    if (left.empty() || next.empty()) {
      count = write_some(left.empty() ? next : left, ec, stop);
    } else if constexpr (detail::writes_lists<Stream>) {
      const std::array both{left, next};
      count = write_some(detail::buffer_list<const_buffer>(both), ec, stop);
    } else {
      count = write_some(left, ec, stop);
    }
    const std::size_t buffered = std::min(count, left.size());
    begin_ += buffered;
    if (begin_ == end_) begin_ = end_ = 0;
    return count - buffered;
  }

  template <class Buffers>
  std::size_t write_some(const Buffers& from, std::error_code* ec, const stop_token& stop) {
    return ec == nullptr ? stream_->write_some(from, stop) : stream_->write_some(from, *ec, stop);
  }

  std::size_t put(const_buffer from, std::error_code* ec, const stop_token& stop) {
    std::size_t sent = 0;
    while (from.size() - sent > capacity_ - pending()) {
      sent += send(from.subspan(sent), ec, stop);
      if (ec != nullptr && *ec) return sent;
    }
    const const_buffer rest = from.subspan(sent);
    if (rest.empty()) return sent;
    if (rest.size() > capacity_ - end_) {  // the room is in front
      std::memmove(data_.get(), data_.get() + begin_, pending());
      end_ -= begin_;
      begin_ = 0;
    }
    std::memcpy(data_.get() + end_, rest.data(), rest.size());
    end_ += rest.size();
    return from.size();
  }

  Stream* stream_;
  std::size_t capacity_;
  std::unique_ptr<std::byte[]> data_;  // capacity_ bytes, of which begin_ to end_ wait
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sennit::inline v0

#pragma once
// Lines, and other pieces of a stream that end where their content says.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include <sennit/detail/stream_concepts.hpp>
#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// Reads a Stream through a buffer: a tcp_stream or whatever has its read_some(). Refers to the stream, which outlives
/// it and stays where it is; what it has read ahead is in buffered(), and the stream will not give it again. One fiber
/// or thread at a time; another may write to the stream meanwhile.
///
/// Waits, deadlines, stops and errors are those of the stream's read_some(). Besides: message_size for a piece that is
/// longer than the limit, not_enough_memory. Where no count is returned an error loses nothing: what had come stays in
/// the buffer, and the next call goes on from there.
template <detail::readable Stream>
class buffered_reader {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  /// `limit`: the longest piece, its delimiter counted; the buffer holds no more. It is taken as it is needed,
  /// beginning with 4 KiB.
  explicit buffered_reader(Stream& stream, std::size_t limit = 65'536) noexcept : stream_(&stream), limit_(limit) {}
  buffered_reader(const buffered_reader&) = delete;
  buffered_reader& operator=(const buffered_reader&) = delete;

  [[nodiscard]] Stream& stream() noexcept { return *stream_; }

  /// The next line, without the "\n" or "\r\n" at its end; nothing at the end of the stream. The last line may lack its
  /// end: read_until('\n') tells. The text is in the buffer: the next call that is not const makes it invalid.
  std::optional<std::string_view> read_line(const stop_token& stop = {}) { return line(nullptr, stop); }
  std::optional<std::string_view> read_line(std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return line(&ec, stop);
  }

  /// What comes up to the delimiter and the delimiter; at the end of the stream what is left without one, which may be
  /// nothing. In the buffer, as a line. invalid_argument for an empty delimiter.
  std::string_view read_until(std::string_view delimiter, const stop_token& stop = {}) {
    return until(delimiter, "read_until", nullptr, stop);
  }
  std::string_view read_until(std::string_view delimiter, std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return until(delimiter, "read_until", &ec, stop);
  }
  std::string_view read_until(char delimiter, const stop_token& stop = {}) {
    return until({&delimiter, 1}, "read_until", nullptr, stop);
  }
  std::string_view read_until(char delimiter, std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return until({&delimiter, 1}, "read_until", &ec, stop);
  }

  /// The next bytes, which stay: at least `size` of them, fewer only at the end of the stream. In the buffer, as a
  /// line.
  const_buffer peek(std::size_t size, const stop_token& stop = {}) { return look(size, nullptr, stop); }
  const_buffer peek(std::size_t size, std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return look(size, &ec, stop);
  }
  /// What is there already: no wait.
  [[nodiscard]] const_buffer buffered() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
  /// Drops the first `size` bytes of buffered(), or all if these are fewer.
  void consume(std::size_t size) noexcept { begin_ += std::min(size, end_ - begin_); }

  /// As the stream's.
  std::size_t read_some(buffer into, const stop_token& stop = {}) { return some(into, nullptr, stop); }
  std::size_t read_some(buffer into, std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return some(into, &ec, stop);
  }
  /// Reads until `into` is full, of any size; error::end_of_stream if the stream ends before. On an error the count
  /// says how much came, and that is taken.
  std::size_t read_exact(buffer into, const stop_token& stop = {}) { return exact(into, nullptr, stop); }
  std::size_t read_exact(buffer into, std::error_code& ec, const stop_token& stop = {}) {
    ec.clear();
    return exact(into, &ec, stop);
  }

 private:
  static constexpr std::size_t first_capacity = 4096;

  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(data_.get()) + begin_, end_ - begin_};
  }

  /// Tells an error of our own; those of the stream's throwing form come as they are, with its endpoint.
  static void fail(std::error_code what, const char* operation, std::error_code* ec) {
    if (ec == nullptr) throw std::system_error(what, operation);
    *ec = what;
  }

  /// Room behind what is there, or why there is none.
  std::errc make_room() noexcept {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ < capacity_) return {};
    const std::size_t size = end_ - begin_;
    if (size >= limit_) return std::errc::message_size;
    const std::size_t larger = std::min(limit_, std::max(first_capacity, capacity_ * 2));
    if (size > capacity_ / 2 || capacity_ == 0) {  // moving it to the front for less would be done again and again
      if (larger > capacity_) {
        std::unique_ptr<std::byte[]> fresh(new (std::nothrow) std::byte[larger]);
        if (fresh == nullptr) return std::errc::not_enough_memory;
        if (size != 0) std::memcpy(fresh.get(), data_.get() + begin_, size);
        data_ = std::move(fresh);
        capacity_ = larger;
        begin_ = 0;
        end_ = size;
        return {};
      }
    }
    std::memmove(data_.get(), data_.get() + begin_, size);
    begin_ = 0;
    end_ = size;
    return {};
  }

  /// One call of the stream. False at its end and on an error.
  bool fill(const char* operation, std::error_code* ec, const stop_token& stop) {
    if (const std::errc full = make_room(); full != std::errc{}) {
      fail(std::make_error_code(full), operation, ec);
      return false;
    }
    const std::size_t count = read_from_stream({data_.get() + end_, capacity_ - end_}, ec, stop);
    end_ += count;
    return count != 0;
  }

  std::size_t read_from_stream(buffer into, std::error_code* ec, const stop_token& stop) {
    return ec == nullptr ? stream_->read_some(into, stop) : stream_->read_some(into, *ec, stop);
  }

  std::string_view until(std::string_view delimiter, const char* operation, std::error_code* ec,
                         const stop_token& stop) {
    if (delimiter.empty()) {
      fail(std::make_error_code(std::errc::invalid_argument), operation, ec);
      return {};
    }
    std::size_t searched = 0;  // no delimiter begins before
    for (;;) {
      const std::string_view there = text();
      if (const auto at = there.find(delimiter, searched); at != std::string_view::npos)
        return take(at + delimiter.size());
      searched = there.size() - std::min(there.size(), delimiter.size() - 1);
      if (!fill(operation, ec, stop)) return ec != nullptr && *ec ? std::string_view() : take(there.size());
    }
  }

  std::optional<std::string_view> line(std::error_code* ec, const stop_token& stop) {
    std::string_view found = until("\n", "read_line", ec, stop);
    if (found.empty()) return std::nullopt;
    if (found.ends_with('\n')) found.remove_suffix(found.ends_with("\r\n") ? 2 : 1);
    return found;
  }

  const_buffer look(std::size_t size, std::error_code* ec, const stop_token& stop) {
    if (size > limit_) {
      fail(std::make_error_code(std::errc::message_size), "peek", ec);
      return {};
    }
    while (end_ - begin_ < size && fill("peek", ec, stop)) {}
    return ec != nullptr && *ec ? const_buffer() : buffered();
  }

  std::string_view take(std::size_t size) noexcept {
    const std::string_view taken = text().substr(0, size);
    begin_ += taken.size();
    return taken;
  }

  std::size_t some(buffer into, std::error_code* ec, const stop_token& stop) {
    if (begin_ == end_) {
      if (into.empty() || into.size() >= first_capacity || limit_ == 0) return read_from_stream(into, ec, stop);
      if (!fill("read_some", ec, stop)) return 0;
    }
    const std::size_t count = std::min(into.size(), end_ - begin_);
    if (count != 0) std::memcpy(into.data(), data_.get() + begin_, count);
    begin_ += count;
    return count;
  }

  std::size_t exact(buffer into, std::error_code* ec, const stop_token& stop) {
    std::size_t done = 0;
    while (done < into.size()) {
      const std::size_t count = some(into.subspan(done), ec, stop);
      done += count;
      if (count != 0) continue;
      if (ec == nullptr || !*ec) fail(error::end_of_stream, "read_exact", ec);
      break;
    }
    return done;
  }

  Stream* stream_;
  std::size_t limit_;
  std::unique_ptr<std::byte[]> data_;  // capacity_ bytes, of which begin_ to end_ have been read and not been taken
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sennit::inline v0

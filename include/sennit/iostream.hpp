#pragma once
// Streams as std::iostreams: std::getline, operator>> and operator<<, and code that is written for them. Not part of
// sennit.hpp, because of <iostream>'s weight.
//
//   sennit::iostream io(stream);
//   for (std::string line; std::getline(io, line);) io << line.size() << std::endl;
#include <algorithm>
#include <array>
#include <cstring>
#include <istream>
#include <streambuf>
#include <utility>

#include <sennit/detail/stream_concepts.hpp>

namespace sennit::inline v0 {

/// A std::streambuf over a Stream that it refers to: a tcp_stream, an end of a pipe, or whatever has their calls. One
/// fiber or thread at a time, reads and writes together. Where it waits a fiber parks.
///
/// The stream's own deadline and the token given here bound each wait. The end of the stream is the end of the file. An
/// error leaves as std::system_error, which a std::istream or std::ostream turns into badbit (and throws again if
/// exceptions(badbit) is set); only sync(), called by std::flush, returns -1. error() tells what it was. What had come,
/// or had not yet gone out, stays: after clear() one may go on. Before it reads from the stream it sends what was
/// written, so that a question leaves before its answer is waited for. The destructor sends what is left.
template <class Stream>
class streambuf : public std::streambuf {
 public:
  explicit streambuf(Stream& stream, stop_token stop = {}) : stream_(&stream), stop_(std::move(stop)) {
    setg(in_.data(), in_.data(), in_.data());
    setp(out_.data(), out_.data() + out_.size());
  }
  streambuf(const streambuf&) = delete;
  streambuf& operator=(const streambuf&) = delete;
  ~streambuf() override { send(); }

  /// Of the last call of the stream.
  [[nodiscard]] std::error_code error() const noexcept { return error_; }

 protected:
  int_type underflow() override {
    if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
    if constexpr (detail::readable<Stream>) {
      send();  // what that meets the next write meets again
      const auto kept = std::min<std::ptrdiff_t>(gptr() - eback(), putback);
      char* const start = in_.data() + putback;
      std::memmove(start - kept, gptr() - kept, static_cast<std::size_t>(kept));
      setg(start - kept, start, start);
      const std::size_t count = remember([&] {
        return stream_->read_some(std::as_writable_bytes(std::span(in_).template subspan<putback>()), stop_);
      });
      setg(start - kept, start, start + count);
      if (count != 0) return traits_type::to_int_type(*start);
    }
    return traits_type::eof();
  }

  int_type overflow(int_type c) override {
    if constexpr (detail::writable<Stream>) {
      while (pptr() == epptr()) {
        const std::size_t count = remember([&] { return stream_->write_some(written(), stop_); });
        drop(count);
      }
      if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
      return sputc(traits_type::to_char_type(c));
    }
    return traits_type::eof();
  }

  int sync() override { return send() ? 0 : -1; }

 private:
  static constexpr std::ptrdiff_t putback = 8;  // how far unget() reaches back over a read

  /// Sends all that was written, as far as that goes; never throws.
  bool send() noexcept {
    if constexpr (detail::writable<Stream>) {
      while (pptr() != pbase()) {
        const std::size_t count = stream_->write_some(written(), error_, stop_);
        if (error_) return false;
        drop(count);
      }
    }
    return pptr() == pbase();
  }

  [[nodiscard]] detail::write_buffer written() const noexcept {
    return std::as_bytes(std::span(pbase(), static_cast<std::size_t>(pptr() - pbase())));
  }
  void drop(std::size_t count) noexcept {
    const auto left = static_cast<std::size_t>(pptr() - pbase()) - count;
    std::memmove(out_.data(), out_.data() + count, left);
    setp(out_.data(), out_.data() + out_.size());
    pbump(static_cast<int>(left));
  }

  template <class F>
  std::size_t remember(F&& call) {
    try {
      const std::size_t count = call();
      error_.clear();
      return count;
    } catch (const std::system_error& e) {
      error_ = e.code();
      throw;
    }
  }

  Stream* stream_;
  stop_token stop_;
  std::error_code error_;
  std::array<char, putback + 4096> in_;
  std::array<char, 4096> out_;
};

/// A std::iostream with a streambuf of its own; threads, waits and errors as there. As every std::iostream it has one
/// state for both directions: after the end of the input clear() lets it write again.
template <class Stream>
class iostream : public std::iostream {
 public:
  explicit iostream(Stream& stream, stop_token stop = {}) : std::iostream(nullptr), buffer_(stream, std::move(stop)) {
    std::ios::rdbuf(&buffer_);
  }

  [[nodiscard]] streambuf<Stream>* rdbuf() noexcept { return &buffer_; }
  /// As streambuf::error().
  [[nodiscard]] std::error_code error() const noexcept { return buffer_.error(); }

 private:
  streambuf<Stream> buffer_;
};

}  // namespace sennit::inline v0

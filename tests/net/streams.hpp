#pragma once
// The kinds of byte streams that are tested alike, and faults that a host injects into them.
#include <gtest/gtest.h>

#include <atomic>
#include <utility>

#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "base/random.hpp"
#include "net/connected.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {

/// What `writer` writes, `reader` reads; streams that work both ways do so.
template <class Writer, class Reader = Writer>
struct ends {
  Writer writer;
  Reader reader;
};

struct tcp_kind {
  static constexpr bool may_be_cut = false;
  static ends<tcp_stream> connected() {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    auto client = tcp_stream::connect(listener.local_endpoint());  // done when it is in the backlog
    return {std::move(client), listener.accept()};
  }
  /// Buffers that are soon full. Not the receiver's: a window below the size of a segment of the loopback is opened by
  /// the kernel's timers only.
  static void shrink(ends<tcp_stream>& e) { e.writer.set_send_buffer(32 * 1024); }
  /// Connections by the thousand: none stays behind in TIME_WAIT, where it would keep its ports.
  static void leave_nothing(ends<tcp_stream>& e) {
    e.writer.set_linger(std::chrono::seconds(0));
    e.reader.set_linger(std::chrono::seconds(0));
  }
};

struct unix_kind {
  static constexpr bool may_be_cut = true;
  static ends<unix_stream> connected() {
    auto [a, b] = unix_stream::pair();
    return {std::move(a), std::move(b)};
  }
  static void shrink(ends<unix_stream>& e) { e.writer.set_send_buffer(4096); }
  static void leave_nothing(ends<unix_stream>&) {}
};

struct pipe_kind {
  static constexpr bool may_be_cut = true;
  static ends<pipe_writer, pipe_reader> connected() {
    auto p = sennit::pipe::open();
    return {std::move(p.writer), std::move(p.reader)};
  }
  static void shrink(ends<pipe_writer, pipe_reader>&) {}
  static void leave_nothing(ends<pipe_writer, pipe_reader>&) {}
};

/// Reads until the end of the stream, `step` bytes at a time at most.
template <class Stream>
bytes drain_slowly(Stream& s, std::size_t step = 4096) {
  bytes all;
  bytes buffer(step);
  while (const std::size_t n = s.read_some(buffer)) {
    const auto got = std::span(buffer).first(n);
    all.insert(all.end(), got.begin(), got.end());
  }
  return all;
}

/// Runs fn as the first fiber of runtimes with one, two and four workers.
template <class F>
void with_runtimes(F&& fn, detail::host* outside = nullptr) {
  for (const unsigned workers : {1U, 2U, 4U}) {
    sennit::run(sennit::options{.workers = workers, .stall_threshold = {}, .host = outside}, fn);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

/// Interrupts calls now and then and, where the kernel may do so too, cuts what is read and written to random lengths.
/// It may not on TCP: there a short result says that nothing is left to read, or no room to write.
class chopping_host final : public detail::host {
 public:
  chopping_host(std::uint64_t seed, bool cuts) : cuts_(cuts), random_(seed) {}

  std::ptrdiff_t read(int fd, void* data, std::size_t size) noexcept override {
    return interrupted() ? -EINTR : host::read(fd, data, cut(size));
  }
  std::ptrdiff_t write(int fd, const void* data, std::size_t size) noexcept override {
    return interrupted() ? -EINTR : host::write(fd, data, cut(size));
  }
  std::ptrdiff_t recv(int fd, void* data, std::size_t size) noexcept override {
    return interrupted() ? -EINTR : host::recv(fd, data, cut(size));
  }
  std::ptrdiff_t send(int fd, const void* data, std::size_t size) noexcept override {
    return interrupted() ? -EINTR : host::send(fd, data, cut(size));
  }
  std::ptrdiff_t recvmsg(int fd, msghdr* message) noexcept override {
    if (interrupted()) return -EINTR;
    const cut_list cut(*this, message->msg_iov, static_cast<std::size_t>(message->msg_iovlen));
    msghdr shorter = *message;
    shorter.msg_iovlen = static_cast<decltype(shorter.msg_iovlen)>(cut.count);
    const auto result = host::recvmsg(fd, &shorter);
    message->msg_flags = shorter.msg_flags;
    message->msg_controllen = shorter.msg_controllen;
    return result;
  }
  std::ptrdiff_t sendmsg(int fd, const msghdr* message) noexcept override {
    if (interrupted()) return -EINTR;
    const cut_list cut(*this, message->msg_iov, static_cast<std::size_t>(message->msg_iovlen));
    msghdr shorter = *message;
    shorter.msg_iovlen = static_cast<decltype(shorter.msg_iovlen)>(cut.count);
    return host::sendmsg(fd, &shorter);
  }
  std::ptrdiff_t readv(int fd, const iovec* parts, std::size_t count) noexcept override {
    if (interrupted()) return -EINTR;
    const cut_list cut(*this, const_cast<iovec*>(parts), count);
    return host::readv(fd, parts, cut.count);
  }
  std::ptrdiff_t writev(int fd, const iovec* parts, std::size_t count) noexcept override {
    if (interrupted()) return -EINTR;
    const cut_list cut(*this, const_cast<iovec*>(parts), count);
    return host::writev(fd, parts, cut.count);
  }

 private:
  /// A shorter list: some of the buffers, the last of them cut, until the call is over.
  struct cut_list {
    cut_list(chopping_host& h, iovec* parts, std::size_t n) : count(h.cut(n)) {
      if (count == 0) return;
      last = &parts[count - 1];
      whole = last->iov_len;
      last->iov_len = h.cut(whole);
    }
    ~cut_list() {
      if (last != nullptr) last->iov_len = whole;
    }
    cut_list(const cut_list&) = delete;
    cut_list& operator=(const cut_list&) = delete;
    std::size_t count;
    iovec* last = nullptr;
    std::size_t whole = 0;
  };

  std::uint32_t below(std::uint32_t limit) {
    const detail::spin_guard guard(lock_);
    return random_.below(limit);
  }
  bool interrupted() { return below(8) == 0; }
  std::size_t cut(std::size_t size) {
    if (size < 2 || !cuts_) return size;
    return 1 + below(static_cast<std::uint32_t>(std::min<std::size_t>(size, 1 << 16)));
  }

  bool cuts_;
  detail::spin_lock lock_;
  detail::random_source random_;
};

}  // namespace sennit::test

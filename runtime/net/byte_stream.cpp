#include <sennit/detail/byte_stream.hpp>

#include "io/error_code.hpp"
#include "io/io_window.hpp"
#include "io/sigpipe_guard.hpp"
#include "net/shared_io.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0::detail {
namespace {

// What is a socket is read and written as one: recv and send are cheaper than read and write, and raise no SIGPIPE.

std::ptrdiff_t read_once(host& h, const io_slot& slot, std::span<std::byte> into) noexcept {
  if (slot.kind() == fd_kind::no_socket) return h.read(slot.fd(), into.data(), into.size());
  return h.recv(slot.fd(), into.data(), into.size());
}

std::ptrdiff_t read_once(host& h, const io_slot& slot, io_window<std::span<std::byte>>& into) noexcept {
  if (slot.kind() == fd_kind::no_socket) return h.readv(slot.fd(), into.parts(), into.count());
  msghdr message{};
  message.msg_iov = into.parts();
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(into.count());
  return h.recvmsg(slot.fd(), &message);
}

std::ptrdiff_t write_once(host& h, const io_slot& slot, std::span<const std::byte> from) noexcept {
  if (slot.kind() != fd_kind::no_socket) return h.send(slot.fd(), from.data(), from.size());
  const sigpipe_guard guard;
  return h.write(slot.fd(), from.data(), from.size());
}

std::ptrdiff_t write_once(host& h, const io_slot& slot, io_window<std::span<const std::byte>>& from) noexcept {
  if (slot.kind() != fd_kind::no_socket) {
    msghdr message{};
    message.msg_iov = from.parts();
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(from.count());
    return h.sendmsg(slot.fd(), &message);
  }
  const sigpipe_guard guard;
  return h.writev(slot.fd(), from.parts(), from.count());
}

// What others have open too is read and written by calls of its own, which take several buffers.

template <class Byte>
std::ptrdiff_t move_parts(const io_handle& handle, direction d, std::span<Byte> bytes,
                          const stop_token& stop) noexcept {
  const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return move_shared(handle, d, std::span(&part, 1), stop);
}

template <class Byte>
std::ptrdiff_t move_parts(const io_handle& handle, direction d, io_window<std::span<Byte>>& bytes,
                          const stop_token& stop) noexcept {
  return move_shared(handle, d, std::span<const iovec>(bytes.parts(), bytes.count()), stop);
}

/// Nothing to move: not even a system call, but a closed stream says so.
std::size_t nothing(const io_handle& handle, std::error_code& ec) noexcept {
  return settle(handle.is_open() ? 0 : io_closed, ec);
}

template <class Buffers>
std::size_t read_into(const io_handle& handle, Buffers& into, std::error_code& ec, const stop_token& stop) noexcept {
  if (into.empty()) return nothing(handle, ec);
  if (is_shared(handle)) return settle(move_parts(handle, direction::read, into, stop), ec);
  return settle(
      perform(handle, direction::read, into.size(), stop, [&](host& h) { return read_once(h, *handle.slot(), into); }),
      ec);
}

template <class Buffers>
std::size_t write_from(const io_handle& handle, Buffers& from, std::error_code& ec, const stop_token& stop) noexcept {
  if (from.empty()) return nothing(handle, ec);
  if (is_shared(handle)) return settle(move_parts(handle, direction::write, from, stop), ec);
  return settle(perform(handle, direction::write, from.size(), stop,
                        [&](host& h) { return write_once(h, *handle.slot(), from); }),
                ec);
}

}  // namespace

std::size_t byte_stream::read_some(buffer into, std::error_code& ec, const stop_token& stop) {
  return read_into(handle_, into, ec, stop);
}

std::size_t byte_stream::read_some(buffer_list<buffer> into, std::error_code& ec, const stop_token& stop) {
  io_window<buffer> window(into.list());
  return read_into(handle_, window, ec, stop);
}

std::size_t byte_stream::write_some(const_buffer from, std::error_code& ec, const stop_token& stop) {
  return write_from(handle_, from, ec, stop);
}

std::size_t byte_stream::write_some(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop) {
  io_window<const_buffer> window(from.list());
  return write_from(handle_, window, ec, stop);
}

std::size_t byte_stream::read_exact(buffer into, std::error_code& ec, const stop_token& stop) {
  std::size_t done = 0;
  do {
    const std::size_t n = read_some(into.subspan(done), ec, stop);
    if (ec) return done;
    if (n == 0 && done < into.size()) {
      ec = error::end_of_stream;
      return done;
    }
    done += n;
  } while (done < into.size());
  return done;
}

std::size_t byte_stream::write_all(const_buffer from, std::error_code& ec, const stop_token& stop) {
  std::size_t done = 0;
  do {
    done += write_some(from.subspan(done), ec, stop);
    if (ec) return done;
  } while (done < from.size());
  return done;
}

std::size_t byte_stream::write_all(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop) {
  io_window<const_buffer> window(from.list());
  std::size_t done = 0;
  do {
    const std::size_t n = write_from(handle_, window, ec, stop);
    if (ec) return done;
    done += n;
    window.advance(n);
  } while (!window.empty());
  return done;
}

std::size_t byte_stream::read_some(buffer into, const stop_token& stop) {
  return or_throw(handle_, "read_some", [&](std::error_code& ec) { return read_some(into, ec, stop); });
}

std::size_t byte_stream::read_some(buffer_list<buffer> into, const stop_token& stop) {
  return or_throw(handle_, "read_some", [&](std::error_code& ec) { return read_some(into, ec, stop); });
}

std::size_t byte_stream::read_exact(buffer into, const stop_token& stop) {
  return or_throw(handle_, "read_exact", [&](std::error_code& ec) { return read_exact(into, ec, stop); });
}

std::size_t byte_stream::write_some(const_buffer from, const stop_token& stop) {
  return or_throw(handle_, "write_some", [&](std::error_code& ec) { return write_some(from, ec, stop); });
}

std::size_t byte_stream::write_some(buffer_list<const_buffer> from, const stop_token& stop) {
  return or_throw(handle_, "write_some", [&](std::error_code& ec) { return write_some(from, ec, stop); });
}

std::size_t byte_stream::write_all(const_buffer from, const stop_token& stop) {
  return or_throw(handle_, "write_all", [&](std::error_code& ec) { return write_all(from, ec, stop); });
}

std::size_t byte_stream::write_all(buffer_list<const_buffer> from, const stop_token& stop) {
  return or_throw(handle_, "write_all", [&](std::error_code& ec) { return write_all(from, ec, stop); });
}

}  // namespace sennit::inline v0::detail

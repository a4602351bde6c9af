#include "net/socket.hpp"

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <string>

#include "net/address.hpp"

namespace sennit::inline v0::detail {

io_handle make_handle(int fd, fd_kind kind, bool shared, std::error_code& ec) noexcept {
  io_slot* slot = io_slot::open(fd, kind, shared);
  if (slot != nullptr) {
    ec.clear();
    return io_handle(slot);
  }
  current_host().close(fd);
  ec = std::make_error_code(std::errc::not_enough_memory);
  return {};
}

std::error_code set_option(int fd, int level, int name, int value) noexcept {
  const int result = current_host().setsockopt(fd, level, name, &value, sizeof value);
  return result < 0 ? host_error(result) : std::error_code();
}

std::error_code set_option(const io_handle& handle, int level, int name, int value) noexcept {
  const int fd = handle.native();
  return fd < 0 ? host_error(-EBADF) : set_option(fd, level, name, value);
}

std::error_code get_option(const io_handle& handle, int level, int name, int& value) noexcept {
  const int fd = handle.native();
  socklen_t size = sizeof value;
  const int result = fd < 0 ? -EBADF : current_host().getsockopt(fd, level, name, &value, &size);
  return result < 0 ? host_error(result) : std::error_code();
}

void set_buffer_size(const io_handle& handle, int name, std::size_t bytes) {
  // More than an int holds is more than the kernel gives.
  const auto value = static_cast<int>(std::min<std::size_t>(bytes, std::numeric_limits<int>::max()));
  throw_if(set_option(handle, SOL_SOCKET, name, value), "sennit: size of a socket's buffer");
}

std::size_t buffer_size(const io_handle& handle, int name) {
  int value = 0;
  throw_if(get_option(handle, SOL_SOCKET, name, value), "sennit: size of a socket's buffer");
  return static_cast<std::size_t>(value);
}

io_handle adopt_descriptor(int fd, fd_kind kind, const char* what) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) throw_if(host_error(-EBADF), what);
  io_slot* const slot = io_slot::open(fd, kind, true);
  if (slot == nullptr) throw_if(std::make_error_code(std::errc::not_enough_memory), what);
  return io_handle(slot);
}

std::error_code shut_down_sending(const io_handle& handle) noexcept {
  const int fd = handle.native();
  const int result = fd < 0 ? -EBADF : current_host().shutdown(fd, SHUT_WR);
  return result < 0 ? host_error(result) : std::error_code();
}

void throw_of(const std::error_code& ec, const io_handle& handle, const char* operation) {
  if (!ec) return;
  std::string what = std::string("sennit: ") + operation;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (const int fd = handle.native(); fd >= 0 && current_host().getpeername(fd, raw, &size) == 0) {
    const endpoint peer = endpoint_access::from_sockaddr(raw, size);
    if (!peer.host().empty()) what += ", peer " + peer.to_string();
  }
  throw std::system_error(ec, what);
}

endpoint name_of(const io_handle& handle, bool peer) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd = handle.native();
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  const int result = fd < 0 ? -EBADF
                     : peer ? current_host().getpeername(fd, raw, &size)
                            : current_host().getsockname(fd, raw, &size);
  if (result < 0) throw_if(host_error(result), peer ? "sennit: remote_endpoint" : "sennit: local_endpoint");
  return endpoint_access::from_sockaddr(raw, size);
}

}  // namespace sennit::inline v0::detail

#include "net/socket.hpp"

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

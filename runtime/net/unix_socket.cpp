#include "net/unix_socket.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <sennit/fiber.hpp>

#include "base/system.hpp"
#include "net/address.hpp"

namespace sennit::inline v0::detail {
namespace {

using call = int (host::*)(int, const sockaddr*, socklen_t) noexcept;

/// bind or connect of an endpoint.
std::error_code with_address(const io_handle& handle, const endpoint& e, call what) noexcept {
  if (e.kind() != endpoint::family::unix_path) return std::make_error_code(std::errc::address_family_not_supported);
  sockaddr_storage address{};
  socklen_t size = 0;
  if (const auto ec = endpoint_access::to_sockaddr(e, address, size)) return ec;
  const int fd = handle.native();
  const int result = fd < 0 ? -EBADF : (current_host().*what)(fd, reinterpret_cast<const sockaddr*>(&address), size);
  return result < 0 ? host_error(result) : std::error_code();
}

/// Is there a socket at the path that nobody listens at? Whoever had it is gone: it can never be used again. Other
/// files refuse a connection too.
bool is_stale(int type, const endpoint& at) noexcept {
  if (!current_host().is_socket(at.host().c_str())) return false;
  std::error_code ec;
  const io_handle probe = make_unix(type, ec);
  return !ec && connect_once(probe, at) == std::errc::connection_refused;
}

}  // namespace

io_handle make_unix(int type, std::error_code& ec) noexcept {
  const int fd = current_host().socket(AF_UNIX, type, 0);
  if (fd >= 0) return make_handle(fd, fd_kind::other, false, ec);
  ec = host_error(fd);
  return {};
}

std::pair<io_handle, io_handle> make_unix_pair(int type, const char* what) {
  std::array<int, 2> fds{};
  if (const int result = current_host().socketpair(AF_UNIX, type, fds.data()); result < 0)
    throw_if(host_error(result), what);
  std::array<std::error_code, 2> ec;
  io_handle a = make_handle(fds[0], fd_kind::other, false, ec[0]);
  io_handle b = make_handle(fds[1], fd_kind::other, false, ec[1]);
  for (const auto& e : ec) throw_if(e, what);
  return {std::move(a), std::move(b)};
}

std::error_code bind_unix(const io_handle& handle, const endpoint& at) noexcept {
  return with_address(handle, at, &host::bind);
}

std::error_code connect_once(const io_handle& handle, const endpoint& to) noexcept {
  for (;;) {
    const auto ec = with_address(handle, to, &host::connect);
    if (ec != std::errc::interrupted) return ec;
  }
}

std::string path_to_unlink(const endpoint& at, const unix_acceptor::options& opts) {
  return opts.unlink_on_close && !at.host().starts_with('@') ? at.host() : std::string();
}

io_handle listen_unix(int type, const endpoint& at, const unix_acceptor::options& opts, std::error_code& ec) noexcept {
  io_handle handle = make_unix(type, ec);
  if (ec) return {};
  ec = bind_unix(handle, at);
  if (ec == std::errc::address_in_use && opts.replace_stale && !at.host().starts_with('@') && is_stale(type, at)) {
    current_host().unlink(at.host().c_str());
    ec = bind_unix(handle, at);
  }
  if (ec) return {};
  if (const int result = current_host().listen(handle.native(), opts.backlog); result < 0) {
    ec = host_error(result);
    if (!at.host().starts_with('@')) current_host().unlink(at.host().c_str());
    return {};
  }
  return handle;
}

io_handle connect_unix(int type, const endpoint& to, wait_bound until, std::error_code& ec) noexcept {
  nanos pause = 100'000;
  for (;;) {
    io_handle handle = make_unix(type, ec);
    if (ec) return {};
    ec = connect_once(handle, to);
    if (!ec) return handle;
    if (ec != std::errc::resource_unavailable_try_again) return {};
    const nanos left = until.deadline == never ? never : until.deadline - clock_now();
    if (left <= 0) {
      ec = error::deadline_passed;
      return {};
    }
    try {
      this_fiber::sleep_for(std::chrono::nanoseconds(std::min(pause, left)), *until.stop);
    } catch (const std::system_error& stopped) {
      ec = stopped.code();
      return {};
    }
    pause = std::min<nanos>(pause * 2, 20'000'000);
  }
}

credentials credentials_of(const io_handle& handle) {
  peer_process peer{};
  const int fd = handle.native();
  const int result = fd < 0 ? -EBADF : peer_of(current_host(), fd, peer);
  if (result < 0) throw_if(host_error(result), "sennit: peer_credentials");
  return {peer.pid, peer.user, peer.group};
}

void throw_at(const std::error_code& ec, const char* what, const endpoint& e) {
  if (ec) throw_if(ec, (std::string("sennit: ") + what + ' ' + e.to_string()).c_str());
}

}  // namespace sennit::inline v0::detail

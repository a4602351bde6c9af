#include "net/rights.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "io/error_code.hpp"

namespace sennit::inline v0 {

descriptor::~descriptor() {
  if (fd_ >= 0) detail::current_host().close(fd_);
}

namespace detail {
namespace {

constexpr std::size_t most = 253;  // SCM_MAX_FD

/// Room for the largest message of descriptors, so that the kernel never cuts it for want of room.
struct alignas(cmsghdr) control_room {
  std::array<std::byte, CMSG_SPACE(most * sizeof(int))> bytes;
};

/// Takes the descriptors out of a message; owns them from the first moment, so that none is lost.
bool take_rights(const msghdr& message, std::vector<descriptor>& fds) noexcept {
  bool whole = true;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&message), c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      descriptor mine(fd);
      try {
        fds.push_back(std::move(mine));
      } catch (const std::bad_alloc&) {
        whole = false;
      }
    }
  }
  return whole;
}

}  // namespace

std::ptrdiff_t send_rights(const io_handle& handle, std::span<const int> fds, std::span<const std::byte> data,
                           const stop_token& stop) noexcept {
  if (data.empty() || fds.size() > most) return handle.is_open() ? -EINVAL : io_closed;
  control_room room{};
  iovec part{const_cast<std::byte*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = room.bytes.data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(fds.size_bytes()));
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = static_cast<decltype(c->cmsg_len)>(CMSG_LEN(fds.size_bytes()));
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  return perform(handle, direction::write, 0, stop, [&](host& h) { return h.sendmsg(handle.slot()->fd(), &message); });
}

received receive_rights(const io_handle& handle, std::vector<descriptor>& fds, std::span<std::byte> into,
                        std::error_code& ec, const stop_token& stop) noexcept {
  fds.clear();
  control_room room;
  iovec part{into.data(), into.size()};
  msghdr message{};
  const auto result = perform(handle, direction::read, 0, stop, [&](host& h) {
    message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.bytes.data();
    message.msg_controllen = sizeof room.bytes;
    return h.recvmsg(handle.slot()->fd(), &message);
  });
  const received got{settle(result, ec), (message.msg_flags & MSG_TRUNC) != 0};
  if (result < 0) return got;
  const bool stored = take_rights(message, fds);
  if (!stored) ec = std::make_error_code(std::errc::not_enough_memory);
  // With room for all, the kernel cuts only where the process may have no more descriptors.
  if ((message.msg_flags & MSG_CTRUNC) != 0) ec = std::make_error_code(std::errc::too_many_files_open);
  if (ec) fds.clear();
  return got;
}

}  // namespace detail
}  // namespace sennit::inline v0

#include "net/shared_io.hpp"

#include <poll.h>

#include <algorithm>
#include <optional>

#include "base/host_files.hpp"
#include "io/file_call.hpp"
#include "io/sigpipe_guard.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0::detail {
namespace {

/// POSIX's least PIPE_BUF: a pipe that is ready for writing takes so much without waiting.
constexpr std::size_t always_fits = 512;

/// One call on a blocking descriptor that does not wait: a count or -errno, -EAGAIN if it would have to.
std::ptrdiff_t move_ready(host& outside, int fd, direction d, std::span<const iovec> parts) noexcept {
  const bool reads = d == direction::read;
  const int count = static_cast<int>(parts.size());
  file_calls& calls = outside.files();
  const std::ptrdiff_t result =
      reads ? calls.readv(fd, parts.data(), count, file_call::at_position, file_calls::in_memory)
            : calls.writev(fd, parts.data(), count, file_call::at_position, file_calls::in_memory);
  if (result != -EOPNOTSUPP && result != -ENOSYS) return result;
  // It knows no call that does not wait. One for nothing tells whether it is open for this; poll(2) would not.
  const std::ptrdiff_t allowed = reads ? outside.read(fd, nullptr, 0) : outside.write(fd, nullptr, 0);
  if (allowed < 0) return allowed;
  pollfd p{fd, static_cast<short>(reads ? POLLIN : POLLOUT), 0};
  if (const int ready = outside.poll(&p, 1, 0); ready <= 0) return ready < 0 ? ready : -EAGAIN;
  if (reads) return outside.readv(fd, parts.data(), parts.size());
  return outside.write(fd, parts.front().iov_base, std::min(parts.front().iov_len, always_fits));
}

std::size_t size_of(std::span<const iovec> parts) noexcept {
  std::size_t sum = 0;
  for (const iovec& p : parts) sum += p.iov_len;
  return sum;
}

}  // namespace

bool is_shared(const io_handle& handle) noexcept {
  const io_slot* const slot = handle.slot();
  return slot != nullptr && (slot->kind() == fd_kind::shared || slot->kind() == fd_kind::file);
}

std::ptrdiff_t move_shared(const io_handle& handle, direction d, std::span<const iovec> parts,
                           const stop_token& stop) noexcept {
  io_slot& slot = *handle.slot();
  if (slot.kind() == fd_kind::shared) {
    return perform(slot, d, 0, stop, [&](host& outside) {
      std::optional<sigpipe_guard> guard;
      if (d == direction::write) guard.emplace();
      return move_ready(outside, slot.fd(), d, parts);
    });
  }
  const file_call call{.kind = d == direction::read ? file_call::what::read : file_call::what::write,
                       .fd = slot.fd(),
                       .parts = parts.data(),
                       .count = static_cast<int>(parts.size()),
                       .size = size_of(parts)};
  return as_user(handle, [&](io_slot&) {
    count_call(d);
    return move_or_run(call, {slot.deadline(), &stop});
  });
}

}  // namespace sennit::inline v0::detail

#include <poll.h>

#include <sennit/io.hpp>

#include "io/error_code.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0 {

using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

fd_guard::fd_guard(int fd) {
  pollfd looked{fd, 0, 0};
  if (fd < 0 || (current_host().poll(&looked, 1, 0) >= 0 && looked.revents == POLLNVAL))
    throw_if(std::make_error_code(std::errc::bad_file_descriptor), "sennit: fd_guard");
  io_slot* const slot = io_slot::open(fd, fd_kind::other, true);
  if (slot == nullptr) throw_if(std::make_error_code(std::errc::not_enough_memory), "sennit: fd_guard");
  handle_ = io_handle(slot);
}

// The owner reads and writes without a word to us, so that an event may be about what is gone: poll(2) says what is.
bool fd_guard::wait(bool writes, wait_bound until) {
  std::ptrdiff_t result = io_closed;
  if (io_slot* const slot = handle_.slot(); slot != nullptr) {
    const auto look = [&](host& outside) -> std::ptrdiff_t {
      pollfd p{slot->fd(), static_cast<short>(writes ? POLLOUT : POLLIN), 0};
      const int count = outside.poll(&p, 1, 0);
      if ((p.revents & POLLNVAL) != 0) return -EBADF;
      return count == 0 ? -EAGAIN : count;
    };
    result = perform(*slot, writes ? direction::write : direction::read, 0, [&] { return until; }, look);
  }
  if (result == io_deadline) return false;
  std::error_code ec;
  settle(result, ec);
  throw_if(ec, "sennit: fd_guard");
  return true;
}

}  // namespace sennit::inline v0

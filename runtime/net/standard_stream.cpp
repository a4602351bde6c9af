#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include <sennit/standard_stream.hpp>

#include "base/host_files.hpp"
#include "base/host_processes.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0 {

using detail::current_host;
using detail::fd_kind;
using detail::host;
using detail::host_error;
using detail::io_handle;

standard_stream standard_stream::open(int fd, std::error_code& ec) {
  host& outside = current_host();
  struct stat kind{};
  int result = outside.files().status(fd, kind);
  if (result >= 0 && S_ISDIR(kind.st_mode)) result = -EISDIR;
  const int flags = result < 0 ? result : outside.files().flags(fd);
  if (flags < 0) {
    ec = host_error(flags);
    return {};
  }
  const bool terminal = S_ISCHR(kind.st_mode) && outside.files().is_terminal(fd);
  if (terminal) {
    if (const int own = outside.files().reopen_terminal(fd, flags & O_ACCMODE); own >= 0) {
      io_handle handle = detail::make_handle(own, fd_kind::no_socket, false, ec);
      return {std::move(handle), !ec};
    }
  }
  const int twin = outside.processes().duplicate_above(fd, 3);  // never one of the standard three
  if (twin < 0) {
    ec = host_error(twin);
    return {};
  }
  const bool waits_for_a_device = S_ISREG(kind.st_mode) || S_ISBLK(kind.st_mode);
  io_handle handle = detail::make_handle(twin, waits_for_a_device ? fd_kind::file : fd_kind::shared, true, ec);
  return {std::move(handle), terminal && !ec};
}

standard_stream standard_stream::open(int fd) {
  std::error_code ec;
  standard_stream s = open(fd, ec);
  if (ec) detail::throw_if(ec, ("sennit: standard_stream of descriptor " + std::to_string(fd)).c_str());
  return s;
}

standard_stream open_terminal(std::error_code& ec) {
  const int fd = current_host().files().open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
  if (fd < 0) {
    ec = host_error(fd);
    return {};
  }
  io_handle handle = detail::make_handle(fd, fd_kind::no_socket, false, ec);
  return {std::move(handle), !ec};
}

standard_stream open_terminal() {
  std::error_code ec;
  standard_stream s = open_terminal(ec);
  detail::throw_if(ec, "sennit: open_terminal");
  return s;
}

}  // namespace sennit::inline v0

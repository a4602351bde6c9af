// What the filters on descriptors say beside "ready", asked of Linux.
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "kernel_queue.hpp"

namespace sennit::test::kqueue_double {
namespace {

std::optional<int> option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
  return value;
}

std::optional<tcp_info> tcp_state(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return info;
}

intptr_t queued(int fd, unsigned long request) {
  int count = 0;
  return ::ioctl(fd, request, &count) == 0 ? count : 0;
}

/// The pending error of a socket. Linux names it only by taking it away, which kevent does not: so it is inferred.
std::uint32_t pending_error(int fd) {
  const auto tcp = tcp_state(fd);
  const bool connected_once = !tcp || tcp->tcpi_rtt != 0;  // the handshake is the first measurement
  return option(fd, SO_TYPE) == SOCK_STREAM && connected_once ? ECONNRESET : ECONNREFUSED;
}

/// Our side has sent its last.
bool sending_is_over(int fd) {
  if (const auto tcp = tcp_state(fd)) {
    switch (tcp->tcpi_state) {
      case TCP_FIN_WAIT1:
      case TCP_FIN_WAIT2:
      case TCP_TIME_WAIT:
      case TCP_CLOSE:
      case TCP_LAST_ACK:
      case TCP_CLOSING: return true;
      default: return false;
    }
  }
  // A message of no bytes is none on a stream, but an error is one.
  return option(fd, SO_TYPE) == SOCK_STREAM && ::send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

void set_end(int fd, std::uint32_t ready, struct kevent& into) {
  into.flags |= EV_EOF;
  if ((ready & EPOLLERR) != 0 && option(fd, SO_TYPE)) into.fflags = pending_error(fd);
}

}  // namespace

bool look_at_reading(int fd, std::uint32_t ready, struct kevent& into) {
  struct stat kind{};
  if (::fstat(fd, &kind) == 0 && S_ISREG(kind.st_mode)) {
    into.data = static_cast<intptr_t>(kind.st_size - ::lseek(fd, 0, SEEK_CUR));
    return into.data != 0;
  }
  if (option(fd, SO_ACCEPTCONN) == 1) {
    const auto tcp = tcp_state(fd);
    into.data = tcp ? static_cast<intptr_t>(tcp->tcpi_unacked) : 1;  // of a Unix listener only "some" is known
    return (ready & EPOLLIN) != 0;
  }
  into.data = queued(fd, FIONREAD);
  const bool socket = S_ISSOCK(kind.st_mode);
  if ((ready & (EPOLLRDHUP | EPOLLHUP)) != 0 || (!socket && (ready & EPOLLERR) != 0)) set_end(fd, ready, into);
  return (ready & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
}

bool look_at_writing(int fd, std::uint32_t ready, struct kevent& into) {
  if (const auto size = option(fd, SO_SNDBUF)) {
    into.data = std::max<intptr_t>(*size - queued(fd, SIOCOUTQ), 0);
    // An error alone is not the end: an ICMP message, or a report of the error queue.
    if ((ready & EPOLLHUP) != 0 || sending_is_over(fd)) set_end(fd, ready, into);
    return true;
  }
  if (const int size = ::fcntl(fd, F_GETPIPE_SZ); size >= 0) into.data = size - queued(fd, FIONREAD);
  if ((ready & (EPOLLHUP | EPOLLERR)) != 0) set_end(fd, ready, into);
  return true;
}

}  // namespace sennit::test::kqueue_double

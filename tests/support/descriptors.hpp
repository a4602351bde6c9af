#pragma once
// Pairs of connected, non-blocking descriptors for tests, and what one does with them. A failure throws: the test
// fails.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/unique_fd.hpp"

namespace sennit::test {

using detail::unique_fd;

inline int checked(std::ptrdiff_t result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::system_category(), what);
  return static_cast<int>(result);
}

/// Takes a new descriptor: close-on-exec and non-blocking, by calls that every system has.
inline unique_fd prepared(std::ptrdiff_t result, const char* what) {
  unique_fd fd(checked(result, what));
  checked(::fcntl(fd.get(), F_SETFD, FD_CLOEXEC), "fcntl");
  checked(::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK), "fcntl");
  return fd;
}

/// A file of 100 bytes without a name.
inline unique_fd regular_file() {
  char name[] = "/tmp/sennit-test-XXXXXX";
  unique_fd fd(checked(::mkstemp(name), "mkstemp"));
  checked(::unlink(name), "unlink");
  checked(::ftruncate(fd.get(), 100), "ftruncate");
  return fd;
}

/// What is written to `b` is read from `a`; sockets work both ways.
struct fd_pair {
  unique_fd a;
  unique_fd b;
};

inline fd_pair unix_pair() {
  std::array<int, 2> fds{};
  checked(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), "socketpair");
  return {prepared(fds[0], "socketpair"), prepared(fds[1], "socketpair")};
}

inline fd_pair pipe_pair() {
  std::array<int, 2> fds{};
  checked(::pipe(fds.data()), "pipe");
  return {prepared(fds[0], "pipe"), prepared(fds[1], "pipe")};
}

/// `a` is a terminal, `b` its master; both block.
inline fd_pair terminal_pair() {
  unique_fd master(checked(::posix_openpt(O_RDWR | O_NOCTTY), "posix_openpt"));
  checked(::grantpt(master.get()), "grantpt");
  checked(::unlockpt(master.get()), "unlockpt");
  return {unique_fd(checked(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY), "open")), std::move(master)};
}

/// Listens on a free port of the loopback address, which it returns in `address`.
inline unique_fd tcp_listener(sockaddr_in& address) {
  unique_fd fd = prepared(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  checked(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), "bind");
  checked(::listen(fd.get(), 128), "listen");
  checked(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return fd;
}

/// Begins to connect; loopback connections are there when this returns.
inline unique_fd tcp_connect(const sockaddr_in& address) {
  unique_fd fd = prepared(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    throw std::system_error(errno, std::system_category(), "connect");
  return fd;
}

inline fd_pair tcp_pair() {
  sockaddr_in address{};
  const unique_fd listener = tcp_listener(address);
  unique_fd client = tcp_connect(address);
  checked(::fcntl(listener.get(), F_SETFL, 0), "fcntl");  // wait for it
  return {prepared(::accept(listener.get(), nullptr, nullptr), "accept"), std::move(client)};
}

inline void put(int fd, std::string_view text) {
  if (checked(::write(fd, text.data(), text.size()), "write") != static_cast<int>(text.size()))
    throw std::system_error(EIO, std::system_category(), "short write");
}

/// Reads what is there, up to EAGAIN or the end.
inline std::string drain(int fd) {
  std::string all;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0 || (count < 0 && errno == EAGAIN)) return all;
    all.append(buffer.data(), static_cast<std::size_t>(checked(count, "read")));
  }
}

/// Writes until EAGAIN.
inline void fill(int fd) {
  const std::string block(16384, 'x');
  while (::write(fd, block.data(), block.size()) > 0) {}
  if (errno != EAGAIN) throw std::system_error(errno, std::system_category(), "write");
}

/// The descriptors of this process that exec() would pass on.
inline std::vector<int> inheritable_fds() {
  std::vector<int> found;
  for (int fd = 0; fd < 1024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) found.push_back(fd);
  }
  return found;
}

}  // namespace sennit::test

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

/// What is written to `b` is read from `a`; sockets work both ways.
struct fd_pair {
  unique_fd a;
  unique_fd b;
};

inline fd_pair unix_pair() {
  std::array<int, 2> fds{};
  checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), "socketpair");
  return {unique_fd(fds[0]), unique_fd(fds[1])};
}

inline fd_pair pipe_pair() {
  std::array<int, 2> fds{};
  checked(::pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC), "pipe2");
  return {unique_fd(fds[0]), unique_fd(fds[1])};
}

/// Listens on a free port of the loopback address, which it returns in `address`.
inline unique_fd tcp_listener(sockaddr_in& address) {
  unique_fd fd(checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
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
  unique_fd fd(checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    throw std::system_error(errno, std::system_category(), "connect");
  return fd;
}

inline fd_pair tcp_pair() {
  sockaddr_in address{};
  const unique_fd listener = tcp_listener(address);
  unique_fd client = tcp_connect(address);
  checked(::fcntl(listener.get(), F_SETFL, 0), "fcntl");  // wait for it
  return {unique_fd(checked(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4")),
          std::move(client)};
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

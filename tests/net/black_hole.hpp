#pragma once
// An address that takes connections and never answers them: who connects waits for ever.
#include <netinet/in.h>
#include <sys/socket.h>

#include <vector>

#include <sennit/endpoint.hpp>

#include "net/address.hpp"
#include "support/descriptors.hpp"

namespace sennit::test {

/// A loopback listener whose backlog is full, so that the kernel drops what comes.
class black_hole {
 public:
  explicit black_hole(int family = AF_INET) {
    socklen_t size = 0;
    if (family == AF_INET6) {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(address_);
      v6.sin6_family = AF_INET6;
      v6.sin6_addr = in6addr_loopback;
      size = sizeof v6;
    } else {
      auto& v4 = reinterpret_cast<sockaddr_in&>(address_);
      v4.sin_family = AF_INET;
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof v4;
    }
    listener_ = made(family);
    auto* const raw = reinterpret_cast<sockaddr*>(&address_);
    checked(::bind(listener_.get(), raw, size), "bind");
    checked(::listen(listener_.get(), 0), "listen");  // room for one
    checked(::getsockname(listener_.get(), raw, &size), "getsockname");
    for (int i = 0; i < 4; ++i) {
      filling_.push_back(made(family));
      if (::connect(filling_.back().get(), raw, size) != 0 && errno != EINPROGRESS) checked(-1, "connect");
    }
    at_ = endpoint_access::from_sockaddr(raw, size);
  }

  [[nodiscard]] const endpoint& at() const noexcept { return at_; }
  /// From now on it takes connections and holds them: the kernel of who waits tries again within seconds.
  void open() {
    checked(::listen(listener_.get(), 128), "listen");
    filling_.clear();
  }

 private:
  static unique_fd made(int family) { return prepared(::socket(family, SOCK_STREAM, 0), "socket"); }

  sockaddr_storage address_{};
  unique_fd listener_;
  std::vector<unique_fd> filling_;
  endpoint at_;
};

}  // namespace sennit::test

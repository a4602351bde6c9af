// The floor of the group http: an epoll loop that looks for the empty line that ends a request, and at nothing else.
#include "common/http.hpp"

#include <netinet/tcp.h>

#include "common/load.hpp"
#include "common/program.hpp"
#include "floor/epoll_set.hpp"

void serve_http() {
  using namespace bench;
  struct session {
    int fd;
    request_counter requests;
  };
  session listener{listening_socket(0), {}};
  say_port(local_port(listener.fd));
  const epoll_set set;
  set.add(listener.fd, &listener);
  std::array<char, 4096> bytes;
  set.serve([&](void* event) {
    auto* const s = static_cast<session*>(event);
    if (s == &listener) {
      auto* const accepted = new session{::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC), {}};
      const int on = 1;
      ::setsockopt(accepted->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      set.add(accepted->fd, accepted);
      return true;
    }
    const auto n = ::recv(s->fd, bytes.data(), bytes.size(), 0);
    if (n <= 0) {
      ::close(s->fd);
      delete s;
      return true;
    }
    const std::string_view answers = http_answers(s->requests.feed({bytes.data(), static_cast<std::size_t>(n)}));
    if (!answers.empty() && ::send(s->fd, answers.data(), answers.size(), MSG_NOSIGNAL) < 0 && errno == EAGAIN)
      fail("more answers than the socket takes");  // of a client that is gone recv tells
    return true;
  });
}

#include "net/acceptor.hpp"

#include <algorithm>
#include <chrono>

#include <sennit/fiber.hpp>

#include "base/log.hpp"
#include "io/error_code.hpp"

namespace sennit::inline v0::detail {
namespace {

using namespace std::chrono_literals;

/// Errors of the connection that was to be accepted, not of the listener: it died in the backlog (accept(2)).
bool died_in_backlog(std::ptrdiff_t error) {
  switch (-error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP: return true;
    default: return false;
  }
}

bool out_of_resources(std::ptrdiff_t error) {
  return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

}  // namespace

int accept_connection(const io_handle& listener, std::error_code& ec, const stop_token& stop) {
  auto pause = 1ms;
  for (;;) {
    const auto fd = perform(listener, direction::read, 0, stop,
                            [&](host& h) { return std::ptrdiff_t{h.accept(listener.slot()->fd(), nullptr, nullptr)}; });
    if (fd >= 0) {
      ec.clear();
      return static_cast<int>(fd);
    }
    if (died_in_backlog(fd)) continue;
    if (!out_of_resources(fd)) {
      settle(fd, ec);
      return -1;
    }
    // The connection stays in the backlog; nothing will announce it again, so we come back by the clock.
    if (pause == 1ms) {
      log(log_level::warn, "accept: %s: backing off until there is room", host_error(fd).message().c_str());
    }
    try {
      this_fiber::sleep_for(pause, stop);
    } catch (const std::system_error& stopped) {
      ec = stopped.code();
      return -1;
    }
    pause = std::min(pause * 2, 100ms);
  }
}

}  // namespace sennit::inline v0::detail

#include <sys/socket.h>

#include <sennit/server.hpp>

#include "net/server_core.hpp"
#include "net/unix_socket.hpp"

namespace sennit::inline v0 {

detail::server_owner unix_server::start(runtime& in, const endpoint& at, const options& opts,
                                        std::unique_ptr<detail::connection_handler> handler) {
  std::vector<detail::listening> listeners(1);
  std::error_code ec;
  listeners.front().handle = detail::listen_unix(SOCK_STREAM, at, opts.listener, ec);
  detail::throw_at(ec, "listen at", at);
  listeners.front().path = detail::path_to_unlink(at, opts.listener);
  return detail::server_core::start(in,
                                    {.handler = std::move(handler),
                                     .at = at,
                                     .connections = opts.connections,
                                     .stop_timeout = detail::span_nanos(opts.stop_timeout)},
                                    std::move(listeners));
}

}  // namespace sennit::inline v0

#include <sennit/server.hpp>

#include "base/log.hpp"
#include "net/listen_tcp.hpp"
#include "net/server_core.hpp"
#include "net/steering.hpp"

namespace sennit::inline v0 {

detail::server_owner tcp_server::start(runtime& in, const endpoint& at, const options& opts,
                                       std::unique_ptr<detail::connection_handler> handler) {
  const unsigned count = opts.steering != steering::one_listener && detail::listeners_share ? in.workers() : 1;
  std::error_code ec;
  std::vector<detail::io_handle> sockets = detail::listen_tcp(at, opts.listener, count, ec);
  if (ec) detail::throw_if(ec, ("sennit: listen at " + at.to_string()).c_str());
  if (opts.steering == steering::cpu && count > 1) {
    if (const auto refused = detail::steer_by_cpu(sockets.front().native(), count))
      detail::log(log_level::warn, "server %s: no steering by CPU: %s", at.to_string().c_str(),
                  refused.message().c_str());
  }
  endpoint bound = detail::name_of(sockets.front(), false);
  std::vector<detail::listening> listeners;
  listeners.reserve(count);
  for (detail::io_handle& socket : sockets) listeners.push_back({std::move(socket)});
  return detail::server_core::start(in,
                                    {.handler = std::move(handler),
                                     .at = std::move(bound),
                                     .connections = opts.connections,
                                     .handshake_time = detail::span_nanos(opts.handshake_time),
                                     .stop_timeout = detail::span_nanos(opts.stop_timeout),
                                     .tcp = true,
                                     .shards = count},
                                    std::move(listeners));
}

}  // namespace sennit::inline v0

#pragma once
// Making TCP sockets that listen: one, or several at one port.
#include <vector>

#include <sennit/tcp.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

/// `count` sockets that listen at one port; names are resolved on a helper thread, and the first address counts. The
/// port is ours alone, however many we have there, unless opts.reuse_port gives other processes a part of it.
std::vector<io_handle> listen_tcp(const endpoint& at, const tcp_listener::options& opts, std::size_t count,
                                  std::error_code& ec);

}  // namespace sennit::inline v0::detail

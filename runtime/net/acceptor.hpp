#pragma once
// Accepting, whatever the family.
#include <sennit/detail/io_handle.hpp>
#include <sennit/stop_token.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

/// The descriptor of the next connection, or -1 and `ec`. Out of descriptors (EMFILE, ENFILE, ENOBUFS, ENOMEM): logs
/// once, backs off, goes on. Connections that died in the backlog are skipped. Any fiber or plain thread.
int accept_connection(const io_handle& listener, std::error_code& ec, const stop_token& stop);

}  // namespace sennit::inline v0::detail

#pragma once
// What only some kernels do with listeners: several of them at one port, and an end in which nobody is lost. The build
// selects steering_linux.cpp or steering_none.cpp, which offers nothing of it.
#include <system_error>

namespace sennit::inline v0::detail {

/// Whether sockets that listen at one port (SO_REUSEPORT) share the connections.
extern const bool listeners_share;

/// Of the `count` listeners that share the port of `fd`, the one with the number of the packet's CPU, modulo `count`,
/// gets the connection; they are numbered in the order of their listen(2). The code says why not.
std::error_code steer_by_cpu(int fd, unsigned count) noexcept;

/// From now on nobody new gets into the backlog of a listener, but what is in there stays, and handshakes of TCP that
/// have begun go on. False: the kernel cannot tell, and what comes between the last accept() and close() is lost.
bool refuse_new(int fd, bool tcp) noexcept;

}  // namespace sennit::inline v0::detail

// The BSDs and macOS let sockets share a port, but their kernels give all connections to one of them (FreeBSD's
// SO_REUSEPORT_LB aside), and they have no way to close a backlog to newcomers alone.
#include "net/steering.hpp"

namespace sennit::inline v0::detail {

const bool listeners_share = false;

std::error_code steer_by_cpu(int, unsigned) noexcept { return std::make_error_code(std::errc::not_supported); }

bool refuse_new(int, bool) noexcept { return false; }

}  // namespace sennit::inline v0::detail

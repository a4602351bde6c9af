#pragma once
// What streams and listeners share: making sockets and slots, names of sockets.
#include <system_error>

#include <sennit/endpoint.hpp>
#include <sennit/tcp.hpp>

#include "io/retry.hpp"

namespace sennit::inline v0::detail {

/// An error of a host call (-errno) as a code.
inline std::error_code host_error(std::ptrdiff_t result) noexcept {
  return {static_cast<int>(-result), std::system_category()};
}

/// Wraps an open non-blocking socket; closes it and sets `ec` if there is no memory.
io_handle make_handle(int fd, fd_kind kind, bool shared, std::error_code& ec) noexcept;

/// Sets an integer socket option; errors are returned.
std::error_code set_option(int fd, int level, int name, int value) noexcept;

/// getsockname or getpeername of an open handle; throws std::system_error.
endpoint name_of(const io_handle& handle, bool peer);

/// A call on a handle that may be empty or closed.
template <class Call>
std::ptrdiff_t perform(const io_handle& handle, direction d, std::size_t asked, const stop_token& stop,
                       Call&& call) noexcept {
  if (handle.slot() == nullptr) return io_closed;
  return perform(*handle.slot(), d, asked, stop, std::forward<Call>(call));
}

}  // namespace sennit::inline v0::detail

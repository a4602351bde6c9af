#pragma once
// What streams and listeners share: making sockets and slots, names of sockets.
#include <system_error>
#include <type_traits>

#include <sennit/detail/io_handle.hpp>
#include <sennit/endpoint.hpp>

#include "io/retry.hpp"

namespace sennit::inline v0::detail {

/// An error of a host call (-errno) as a code.
inline std::error_code host_error(std::ptrdiff_t result) noexcept {
  return {static_cast<int>(-result), std::system_category()};
}

/// Wraps an open non-blocking socket; closes it and sets `ec` if there is no memory.
io_handle make_handle(int fd, fd_kind kind, bool shared, std::error_code& ec) noexcept;

/// Takes over a descriptor from outside and makes it non-blocking. It may have been duplicated. Throws
/// std::system_error, and has then taken nothing but its non-blocking mode.
io_handle adopt_descriptor(int fd, fd_kind kind, const char* what);

/// Sets or reads an integer socket option; errors are returned: bad_file_descriptor for a handle that is closed.
std::error_code set_option(int fd, int level, int name, int value) noexcept;
std::error_code set_option(const io_handle& handle, int level, int name, int value) noexcept;
std::error_code get_option(const io_handle& handle, int level, int name, int& value) noexcept;

/// Sizes of the kernel's buffers, SO_SNDBUF and SO_RCVBUF; throw std::system_error.
void set_buffer_size(const io_handle& handle, int name, std::size_t bytes);
std::size_t buffer_size(const io_handle& handle, int name);

/// Half-close: nothing more is sent.
std::error_code shut_down_sending(const io_handle& handle) noexcept;

/// Throws std::system_error for what an operation said, if it said anything: with the name of the operation and, if
/// there is one, of the peer.
void throw_of(const std::error_code& ec, const io_handle& handle, const char* operation);

/// f(ec), and what it sets is thrown so.
template <class F>
auto or_throw(const io_handle& handle, const char* operation, F&& f) {
  std::error_code ec;
  if constexpr (std::is_void_v<decltype(f(ec))>) {
    f(ec);
    throw_of(ec, handle, operation);
  } else {
    const auto result = f(ec);
    throw_of(ec, handle, operation);
    return result;
  }
}

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

#pragma once
// Descriptors as messages carry them: SCM_RIGHTS.
#include <span>
#include <vector>

#include <sennit/descriptor.hpp>
#include <sennit/detail/datagram_socket.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

/// Sends `data`, or as much of it as a stream takes at once, and copies of `fds` with it: a count or a code of
/// perform(). -EINVAL for no data or too many descriptors.
std::ptrdiff_t send_rights(const io_handle& handle, std::span<const int> fds, std::span<const std::byte> data,
                           const stop_token& stop) noexcept;

/// Receives data and descriptors, which take the place of those in `fds`. If some of them could not be had, those that
/// came are closed and `ec` is set beside the count of bytes: too_many_files_open or not_enough_memory.
received receive_rights(const io_handle& handle, std::vector<descriptor>& fds, std::span<std::byte> into,
                        std::error_code& ec, const stop_token& stop) noexcept;

}  // namespace sennit::inline v0::detail

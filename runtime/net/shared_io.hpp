#pragma once
// Reading and writing what others have open too, without their noticing (hazard 28).
#include <sys/uio.h>

#include <cstddef>
#include <span>

#include <sennit/detail/io_handle.hpp>
#include <sennit/stop_token.hpp>

#include "io/retry.hpp"

namespace sennit::inline v0::detail {

/// Is it of those kinds that move_shared() is for?
[[nodiscard]] bool is_shared(const io_handle& handle) noexcept;

/// One read or write of fd_kind::shared or fd_kind::file, whose flags stay as they are: a count, or what perform()
/// returns. Files move at their own position: what is in memory on the spot, the rest off the worker.
std::ptrdiff_t move_shared(const io_handle& handle, direction d, std::span<const iovec> parts,
                           const stop_token& stop) noexcept;

}  // namespace sennit::inline v0::detail

#pragma once
// Accepting, whatever the family.
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>

#include <sennit/detail/io_handle.hpp>
#include <sennit/endpoint.hpp>
#include <sennit/stop_token.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

/// The descriptor of the next connection, or -1 and `ec`. Out of descriptors (EMFILE, ENFILE, ENOBUFS, ENOMEM): logs
/// once, backs off, goes on. Connections that died in the backlog are skipped. Any fiber or plain thread.
int accept_connection(const io_handle& listener, std::error_code& ec, const stop_token& stop);

/// The address of an accepted connection, as small as those that matter are: IPv4 and IPv6. A value.
struct peer_address {
  alignas(8) std::array<std::byte, 28> bytes{};
  std::uint32_t size = 0;

  /// Empty if it was none of these.
  [[nodiscard]] endpoint to_endpoint() const;
};

/// A connection that nobody owns yet.
struct accepted {
  int fd = -1;
  peer_address peer;
};

/// Several connections at once: waits for the first as accept_connection() does, then takes what else is there, up to
/// the size of `into`. How many; 0 with `ec`, which may be that of a lack of resources: then try again after a pause.
std::size_t accept_batch(const io_handle& listener, std::span<accepted> into, std::error_code& ec,
                         const stop_token& stop) noexcept;

/// What accept() waits for when there are no descriptors: the connection stays in the backlog, and nothing announces it
/// again. 1 ms, then twice as long each time, up to 100. One accept loop's own.
class accept_pause {
 public:
  /// Whether `ec` is such a lack.
  [[nodiscard]] static bool helps(const std::error_code& ec) noexcept;
  /// The first time it logs. Throws std::system_error on a stop.
  void wait(const std::error_code& why, const stop_token& stop);
  /// It worked: the next lack is a new one.
  void reset() noexcept { next_ = first; }

 private:
  static constexpr std::chrono::milliseconds first{1};
  static constexpr std::chrono::milliseconds longest{100};
  std::chrono::milliseconds next_ = first;
};

}  // namespace sennit::inline v0::detail

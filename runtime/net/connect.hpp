#pragma once
// How a TCP connection comes about: one attempt, or several that race (happy eyeballs, RFC 8305).
#include <sys/socket.h>

#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/tcp.hpp>

namespace sennit::inline v0::detail {

/// What became of one address of a connect that failed. A value.
struct connect_failure {
  endpoint to;
  std::error_code why;  // none: its attempt had not ended, or not begun
};

/// In the order in which they are tried: by turns of the two families, the first one's first, and within a family as
/// they came (RFC 8305, section 4).
[[nodiscard]] std::vector<sockaddr_storage> interleaved(std::span<const sockaddr_storage> addresses);

/// Of what several addresses failed with, what tells most: a limit of this process, then an answer of the peer, then
/// its silence, then that there is no way to it. Not empty; the later of equals.
[[nodiscard]] std::error_code most_telling(std::span<const connect_failure> failed) noexcept;

/// "127.0.0.1:80: Connection refused, [::1]:80: still connecting".
[[nodiscard]] std::string describe(std::span<const connect_failure> failed);

/// Tries the addresses in their order, each `delay` nanoseconds after the one before, or as soon as all that were begun
/// have failed; the first to connect wins and the others are closed. An empty handle and `ec` if none did: then
/// `failed` names all of them. A stop, ambient or of `until`, and the deadline end all attempts. CHECK: there is one.
io_handle connect_first(std::span<const sockaddr_storage> addresses, nanos delay, wait_bound until, std::error_code& ec,
                        std::vector<connect_failure>& failed);

}  // namespace sennit::inline v0::detail

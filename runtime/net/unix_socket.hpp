#pragma once
// What the kinds of Unix sockets share: making, naming and connecting them.
#include <string>
#include <utility>

#include <sennit/detail/unix_acceptor.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/unix.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

/// A socket of that type, or an empty handle and `ec`.
io_handle make_unix(int type, std::error_code& ec) noexcept;
/// Two that are connected; throws std::system_error.
std::pair<io_handle, io_handle> make_unix_pair(int type, const char* what);
/// address_family_not_supported for an endpoint that is no unix one.
std::error_code bind_unix(const io_handle& handle, const endpoint& at) noexcept;
/// The path that close() has to remove; empty: none.
std::string path_to_unlink(const endpoint& at, const unix_acceptor::options& opts);
/// Bound and listening.
io_handle listen_unix(int type, const endpoint& at, const unix_acceptor::options& opts, std::error_code& ec) noexcept;
/// Connects at once or refuses: connect(2) of Unix sockets never goes on in the background.
std::error_code connect_once(const io_handle& handle, const endpoint& to) noexcept;
/// The same, again and again while the listener's backlog is full.
io_handle connect_unix(int type, const endpoint& to, wait_bound until, std::error_code& ec) noexcept;
/// As the kernel noted it; throws std::system_error.
credentials credentials_of(const io_handle& handle);
/// Throws for what making a socket at `e` said.
void throw_at(const std::error_code& ec, const char* what, const endpoint& e);

}  // namespace sennit::inline v0::detail

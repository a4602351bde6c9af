#pragma once
#include <string>
#include <utility>

#include <sennit/detail/atomic.hpp>
#include <sennit/detail/io_handle.hpp>
#include <sennit/endpoint.hpp>

namespace sennit::inline v0::detail {

/// A Unix socket that listens, and the path it may have. A path is a file: it stays when the listener goes, and bind()
/// finds it in the way (address_in_use), also when nobody listens there any more. Abstract names vanish with the last
/// descriptor of the socket. Movable handle.
class unix_acceptor : public io_object {
 public:
  struct options {
    int backlog = 4096;  ///< connections that nobody has accepted yet; the kernel caps it at net.core.somaxconn
    /// Takes the place of a socket that nobody listens at, which is found out by connecting to it. Not of a file that
    /// is no socket. Of two processes that do so at the same time one may take the path from the other.
    bool replace_stale = false;
    /// Removes the path, once, before the listener is closed: by close(), or when the listener is destroyed. Not
    /// by release().
    bool unlink_on_close = false;
  };

  SENNIT_API unix_acceptor(unix_acceptor&& other) noexcept;
  SENNIT_API unix_acceptor& operator=(unix_acceptor&& other) noexcept;
  SENNIT_API ~unix_acceptor();

  /// As io_object::close(): any fiber or thread.
  SENNIT_API void close() noexcept;
  /// As io_object::release(); the path stays.
  SENNIT_API int release() noexcept;
  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;

 protected:
  unix_acceptor() noexcept = default;
  unix_acceptor(io_handle handle, std::string path) noexcept;

 private:
  bool take_path() noexcept;

  std::string path_;
  atomic<bool> unlinks_{false};  // whoever takes it unlinks: close() may come from several threads
};

}  // namespace sennit::inline v0::detail

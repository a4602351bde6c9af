#include <sennit/detail/unix_acceptor.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

unix_acceptor::unix_acceptor(io_handle handle, std::string path) noexcept
    : io_object(std::move(handle)), path_(std::move(path)) {
  unlinks_.store(!path_.empty(), relaxed);  // mm:unix-path
}

unix_acceptor::unix_acceptor(unix_acceptor&& other) noexcept { *this = std::move(other); }

unix_acceptor& unix_acceptor::operator=(unix_acceptor&& other) noexcept {
  const bool mine = take_path();
  unlinks_.store(other.take_path(), relaxed);  // mm:unix-path
  other.unlinks_.store(mine, relaxed);         // mm:unix-path
  path_.swap(other.path_);
  std::swap(handle_, other.handle_);
  return *this;
}

unix_acceptor::~unix_acceptor() { close(); }

bool unix_acceptor::take_path() noexcept { return unlinks_.exchange(false, acq_rel); }  // mm:unix-path

void unix_acceptor::close() noexcept {
  // First the path: once it is free, somebody else may have it, and we never touch it again.
  if (take_path()) current_host().unlink(path_.c_str());
  handle_.close();
}

int unix_acceptor::release() noexcept {
  take_path();
  return handle_.release();
}

endpoint unix_acceptor::local_endpoint() const { return name_of(handle_, false); }

}  // namespace sennit::inline v0::detail

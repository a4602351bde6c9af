#include <sennit/detail/byte_stream.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0::detail {

void socket_stream::shutdown_send(std::error_code& ec) noexcept { ec = shut_down_sending(handle_); }

void socket_stream::shutdown_send() {
  or_throw(handle_, "shutdown_send", [&](std::error_code& ec) { shutdown_send(ec); });
}

void socket_stream::set_send_buffer(std::size_t bytes) { set_buffer_size(handle_, SO_SNDBUF, bytes); }
void socket_stream::set_receive_buffer(std::size_t bytes) { set_buffer_size(handle_, SO_RCVBUF, bytes); }
std::size_t socket_stream::send_buffer() const { return buffer_size(handle_, SO_SNDBUF); }
std::size_t socket_stream::receive_buffer() const { return buffer_size(handle_, SO_RCVBUF); }

endpoint socket_stream::local_endpoint() const { return name_of(handle_, false); }
endpoint socket_stream::remote_endpoint() const { return name_of(handle_, true); }

}  // namespace sennit::inline v0::detail

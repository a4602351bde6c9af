#pragma once
// Sockets of messages: what UDP and Unix datagram sockets have in common.
#include <cstddef>
#include <span>
#include <system_error>

#include <sennit/detail/io_handle.hpp>
#include <sennit/socket_address.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0 {

/// What came of one message.
struct received {
  std::size_t size = 0;    ///< bytes in the buffer; a message may be empty
  bool truncated = false;  ///< the message was longer than the buffer, and the rest of it is lost
};

/// One message of receive_batch(): `room` is the caller's, the rest is filled in.
struct incoming_datagram {
  std::span<std::byte> room = {};
  received got = {};
  socket_address from = {};
  [[nodiscard]] std::span<std::byte> data() const noexcept { return room.first(got.size); }
};

/// One message of send_batch(); without an address it goes to the connected peer.
struct outgoing_datagram {
  std::span<const std::byte> data = {};
  socket_address to = {};
};

namespace detail {

/// Movable handle. Fibers may send and receive at once; several of one direction queue. close() may come from any fiber
/// or thread: who waits gets bad_file_descriptor. All operations are ambient cancellation points; that stop and the
/// token's end them with operation_canceled. A message goes whole or not at all: message_size if it is too long. A
/// connected socket reports what came back for an earlier message, such as connection_refused, once.
class datagram_socket : public io_object {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  /// The next message. One that does not fit is cut, and says so.
  SENNIT_API received receive(buffer into, const stop_token& stop = {});
  SENNIT_API received receive(buffer into, std::error_code& ec, const stop_token& stop = {});
  /// The same with the sender, to whom send_to() can answer.
  SENNIT_API received receive_from(buffer into, socket_address& from, const stop_token& stop = {});
  SENNIT_API received receive_from(buffer into, socket_address& from, std::error_code& ec, const stop_token& stop = {});
  /// Waits for one message, and takes with it what else is there: up to 64, by one system call. How many.
  SENNIT_API std::size_t receive_batch(std::span<incoming_datagram> into, const stop_token& stop = {});
  SENNIT_API std::size_t receive_batch(std::span<incoming_datagram> into, std::error_code& ec,
                                       const stop_token& stop = {});

  /// To the connected peer; destination_address_required if there is none.
  SENNIT_API void send(const_buffer message, const stop_token& stop = {});
  SENNIT_API void send(const_buffer message, std::error_code& ec, const stop_token& stop = {});
  SENNIT_API void send_to(const_buffer message, const socket_address& to, const stop_token& stop = {});
  SENNIT_API void send_to(const_buffer message, const socket_address& to, std::error_code& ec,
                          const stop_token& stop = {});
  /// The same for a numeric or unix endpoint, which is converted each time.
  SENNIT_API void send_to(const_buffer message, const endpoint& to, const stop_token& stop = {});
  SENNIT_API void send_to(const_buffer message, const endpoint& to, std::error_code& ec, const stop_token& stop = {});
  /// Sends them all in order, 64 by one system call; on an error the count says how many went before it.
  SENNIT_API std::size_t send_batch(std::span<const outgoing_datagram> messages, const stop_token& stop = {});
  SENNIT_API std::size_t send_batch(std::span<const outgoing_datagram> messages, std::error_code& ec,
                                    const stop_token& stop = {});

  /// How many bytes the kernel may hold in that direction. It doubles what it is told, and bounds it
  /// (net.core.wmem_max, rmem_max). Throws std::system_error.
  SENNIT_API void set_send_buffer(std::size_t bytes);
  SENNIT_API void set_receive_buffer(std::size_t bytes);
  [[nodiscard]] SENNIT_API std::size_t send_buffer() const;
  [[nodiscard]] SENNIT_API std::size_t receive_buffer() const;

  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;
  [[nodiscard]] SENNIT_API endpoint remote_endpoint() const;

 protected:
  datagram_socket() noexcept = default;
  explicit datagram_socket(io_handle handle) noexcept : io_object(std::move(handle)) {}
};

}  // namespace detail
}  // namespace sennit::inline v0

#include "net/acceptor.hpp"

#include <algorithm>
#include <cstring>

#include <sennit/fiber.hpp>

#include "base/log.hpp"
#include "base/system.hpp"
#include "io/error_code.hpp"
#include "net/address.hpp"

namespace sennit::inline v0::detail {
namespace {

/// One accept() that counts: a descriptor or -errno.
int accept_one(host& outside, int listener, accepted& into) noexcept {
  for (;;) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    into.fd = outside.accept(listener, reinterpret_cast<sockaddr*>(&from), &size);
    if (into.fd < 0 && (into.fd == -EINTR || died_in_backlog(-into.fd))) continue;
    into.peer.size = size <= into.peer.bytes.size() ? size : 0;
    std::memcpy(into.peer.bytes.data(), &from, into.peer.size);
    return into.fd;
  }
}

}  // namespace

endpoint peer_address::to_endpoint() const {
  return endpoint_access::from_sockaddr(reinterpret_cast<const sockaddr*>(bytes.data()), size);
}

std::size_t accept_batch(const io_handle& listener, std::span<accepted> into, std::error_code& ec,
                         const stop_token& stop) noexcept {
  io_slot* const slot = listener.slot();
  return settle(perform(listener, direction::read, 0, stop,
                        [&](host& outside) -> std::ptrdiff_t {
                          const io_slot::word seen = slot->readiness(direction::read);
                          std::size_t count = 0;
                          int result = 0;
                          while (count < into.size() && (result = accept_one(outside, slot->fd(), into[count])) >= 0)
                            ++count;
                          if (count == 0) return result;
                          // perform() learns it from a call that gets nobody, which this spares it.
                          if (result == -EAGAIN) slot->exhausted(direction::read, seen);
                          return static_cast<std::ptrdiff_t>(count);
                        }),
                ec);
}

int accept_connection(const io_handle& listener, std::error_code& ec, const stop_token& stop) {
  accept_pause pause;
  for (accepted one;;) {
    if (accept_batch(listener, {&one, 1}, ec, stop) == 1) return one.fd;
    if (!accept_pause::helps(ec)) return -1;
    try {
      pause.wait(ec, stop);
    } catch (const std::system_error& stopped) {
      ec = stopped.code();
      return -1;
    }
  }
}

bool accept_pause::helps(const std::error_code& ec) noexcept {
  return ec == std::errc::too_many_files_open || ec == std::errc::too_many_files_open_in_system ||
         ec == std::errc::no_buffer_space || ec == std::errc::not_enough_memory;
}

void accept_pause::wait(const std::error_code& why, const stop_token& stop) {
  if (next_ == first) log(log_level::warn, "accept: %s: backing off until there is room", why.message().c_str());
  this_fiber::sleep_for(next_, stop);
  next_ = std::min(next_ * 2, longest);
}

}  // namespace sennit::inline v0::detail

#include <cstring>

#include <sennit/socket_address.hpp>

#include "net/address.hpp"
#include "net/raw_address.hpp"

namespace sennit::inline v0 {

socket_address socket_address::of(const endpoint& from, std::error_code& ec) {
  sockaddr_storage address{};
  socklen_t size = 0;
  socket_address made;
  ec = endpoint_access::to_sockaddr(from, address, size);
  if (ec) return made;
  std::memcpy(made.bytes_.data(), &address, size);
  made.size_ = size;
  return made;
}

socket_address::socket_address(const endpoint& from) {
  std::error_code ec;
  *this = of(from, ec);
  if (ec) detail::throw_if(ec, ("sennit: socket_address of " + from.to_string()).c_str());
}

endpoint socket_address::to_endpoint() const {
  return endpoint_access::from_sockaddr(detail::address_access::raw(*this), detail::address_access::size(*this));
}

}  // namespace sennit::inline v0

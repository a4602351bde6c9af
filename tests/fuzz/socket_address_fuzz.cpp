// What the kernel, or who passes for it, says an address is.
#include <sys/socket.h>

#include <cstring>

#include <sennit/socket_address.hpp>

#include "fuzz/fuzz_target.hpp"
#include "net/address.hpp"
#include "net/raw_address.hpp"

namespace sennit::test {
namespace {

void fuzz_socket_address(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const socklen_t claimed = bytes.front();  // may be more than there is: then the kernel has cut it
  const auto content = bytes.subspan(1, std::min<std::size_t>(bytes.size() - 1, sizeof(sockaddr_storage)));
  socket_address address;
  std::memcpy(detail::address_access::raw(address), content.data(), content.size());
  detail::address_access::set_size(address, claimed);

  const endpoint e = address.to_endpoint();
  must(e == endpoint_access::from_sockaddr(detail::address_access::raw(address), detail::address_access::size(address)),
       "one way to read an address");
  must(e.to_string().size() < 600, "an address is short");
  std::error_code ec;
  const socket_address again = socket_address::of(e, ec);
  if (ec) return must(again.empty(), "no address with an error");  // unnamed, unknown, a zone that is not here
  must(again.to_endpoint() == e, "there and back");
}

const fuzz_target it("socket_address", fuzz_socket_address);

}  // namespace
}  // namespace sennit::test

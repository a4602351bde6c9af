// endpoint's parser, whose input users type, and its way to the kernel's addresses and back.
#include <sys/socket.h>

#include <sennit/endpoint.hpp>
#include <sennit/socket_address.hpp>

#include "fuzz/fuzz_target.hpp"

namespace sennit::test {
namespace {

void check_refusal(const std::string& text) {
  try {
    const endpoint accepted(text);
    must(false, "both forms of the parser agree");
  } catch (const std::system_error& e) {
    const std::string_view what = e.what();
    must(e.code() == error::bad_endpoint, "the code of what is no endpoint");
    must(what.size() < 400, "a message is short, whatever was parsed");
    must(std::ranges::all_of(what, [](char c) { return c >= ' ' && c < 127; }), "a message is printable");
  }
}

void fuzz_endpoint(std::span<const std::uint8_t> bytes) {
  const std::string text(bytes.begin(), bytes.end());
  std::error_code ec;
  const endpoint e = endpoint::parse(text, ec);
  if (ec) {
    must(e == endpoint(), "what is refused is empty");
    return check_refusal(text);
  }
  must(e.kind() != endpoint::family::none, "what is accepted is something");
  must(endpoint::parse(e.to_string(), ec) == e && !ec, "what is printed can be parsed again");
  if (e.kind() != endpoint::family::unix_path) must(endpoint(e.host(), e.port()) == e, "host and port make it again");

  const socket_address address = socket_address::of(e, ec);
  must(address.empty() == static_cast<bool>(ec), "an address, or an error");
  if (e.kind() == endpoint::family::name) must(ec == std::errc::address_family_not_supported, "names are resolved");
  const bool zone = e.host().find('%') != std::string::npos;  // printed with the interface's name
  if (!ec && !zone) must(address.to_endpoint() == e, "the kernel's address says the same");
}

const fuzz_target it("endpoint", fuzz_endpoint);

}  // namespace
}  // namespace sennit::test

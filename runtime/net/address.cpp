#include "net/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>

#include "base/system.hpp"

namespace sennit::inline v0 {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

// Socket addresses are read and written by copies: the storage is not of their type.
template <class T>
T load(const sockaddr* from) noexcept {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void store(const T& value, sockaddr_storage& into, socklen_t& size) noexcept {
  into = {};
  std::memcpy(&into, &value, sizeof value);
  size = sizeof value;
}

/// The number of an interface, given by name or number; 0: there is none.
std::uint32_t zone_number(const std::string& zone) noexcept {
  if (const unsigned number = ::if_nametoindex(zone.c_str()); number != 0) return number;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), number);
  return error == std::errc() && end == zone.data() + zone.size() ? number : 0;
}

std::string zone_text(std::uint32_t number) {
  char name[IF_NAMESIZE];
  return ::if_indextoname(number, name) != nullptr ? name : std::to_string(number);
}

std::error_code to_ipv4(const endpoint& from, sockaddr_storage& into, socklen_t& size) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(from.port());
  if (::inet_pton(AF_INET, from.host().c_str(), &address.sin_addr) != 1) return error::bad_endpoint;
  store(address, into, size);
  return {};
}

std::error_code to_ipv6(const endpoint& from, sockaddr_storage& into, socklen_t& size) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(from.port());
  const auto percent = from.host().find('%');
  if (::inet_pton(AF_INET6, from.host().substr(0, percent).c_str(), &address.sin6_addr) != 1)
    return error::bad_endpoint;
  if (percent != std::string::npos) {
    address.sin6_scope_id = zone_number(from.host().substr(percent + 1));
    if (address.sin6_scope_id == 0) return make_error_code(std::errc::no_such_device);
  }
  store(address, into, size);
  return {};
}

std::error_code to_unix(const endpoint& from, sockaddr_storage& into, socklen_t& size) noexcept {
  sockaddr_un address{};
  const std::string& path = from.host();
  if (path.empty()) return make_error_code(std::errc::destination_address_required);
  if (path.size() >= sizeof address.sun_path) return make_error_code(std::errc::filename_too_long);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const bool abstract = path.front() == '@';
  if (abstract && !detail::has_abstract_names) return make_error_code(std::errc::operation_not_supported);
  if (abstract) address.sun_path[0] = '\0';
  store(address, into, size);
  // A path ends with a zero byte; an abstract name is just as long as the size says.
  size = static_cast<socklen_t>(path_offset + path.size() + (abstract ? 0 : 1));
  return {};
}

endpoint from_ipv6(const sockaddr_in6& address) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
  std::string host = text;
  if (address.sin6_scope_id != 0) host += '%' + zone_text(address.sin6_scope_id);
  return endpoint_access::make(endpoint::family::ipv6, std::move(host), ntohs(address.sin6_port));
}

endpoint from_unix(const sockaddr* from, socklen_t size) {
  sockaddr_un address{};
  std::memcpy(&address, from, std::min<std::size_t>(size, sizeof address));
  const std::size_t length = std::min<std::size_t>(size, sizeof address) - path_offset;
  std::string path(address.sun_path, length);
  if (detail::has_abstract_names && !path.empty() && path.front() == '\0') {
    path.front() = '@';
  } else {
    path.resize(std::min(path.size(), path.find('\0')));
  }
  return endpoint_access::make(endpoint::family::unix_path, std::move(path), 0);
}

class resolver_error_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sennit.resolver"; }
  [[nodiscard]] std::string message(int code) const override { return ::gai_strerror(code); }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (code) {
      case EAI_AGAIN: return std::errc::resource_unavailable_try_again;
      case EAI_MEMORY: return std::errc::not_enough_memory;
      case EAI_FAMILY: return std::errc::address_family_not_supported;
      case EAI_FAIL: return std::errc::io_error;
      default: return std::errc::address_not_available;  // there is no such name, or none with an IP address
    }
  }
};

}  // namespace

endpoint endpoint_access::make(endpoint::family kind, std::string host, std::uint16_t port) {
  endpoint made;
  made.family_ = kind;
  made.host_ = std::move(host);
  made.port_ = port;
  return made;
}

std::error_code endpoint_access::to_sockaddr(const endpoint& from, sockaddr_storage& into, socklen_t& size) {
  size = 0;
  switch (from.kind()) {
    case endpoint::family::ipv4: return to_ipv4(from, into, size);
    case endpoint::family::ipv6: return to_ipv6(from, into, size);
    case endpoint::family::unix_path: return to_unix(from, into, size);
    case endpoint::family::name: return make_error_code(std::errc::address_family_not_supported);
    case endpoint::family::none: break;
  }
  return make_error_code(std::errc::destination_address_required);
}

endpoint endpoint_access::from_sockaddr(const sockaddr* from, socklen_t size) {
  if (size < path_offset) return {};
  switch (load<sa_family_t>(from)) {
    case AF_INET: {
      if (size < sizeof(sockaddr_in)) return {};
      const auto address = load<sockaddr_in>(from);
      char text[INET_ADDRSTRLEN] = "";
      ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
      return make(endpoint::family::ipv4, text, ntohs(address.sin_port));
    }
    case AF_INET6: return size < sizeof(sockaddr_in6) ? endpoint() : from_ipv6(load<sockaddr_in6>(from));
    case AF_UNIX: return from_unix(from, size);
    default: return {};
  }
}

const std::error_category& detail::getaddrinfo_category() noexcept {
  // Never destroyed: static destructors may still compare codes.
  static const auto* const it = new resolver_error_category;
  return *it;
}

socklen_t detail::sockaddr_size(const sockaddr_storage& address) noexcept {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

std::error_code detail::resolve_blocking(const endpoint& from, std::vector<sockaddr_storage>& into) {
  into.clear();
  sockaddr_storage address{};
  socklen_t size = 0;
  if (from.kind() == endpoint::family::unix_path) return make_error_code(std::errc::address_family_not_supported);
  if (from.kind() != endpoint::family::name) {
    const auto ec = endpoint_access::to_sockaddr(from, address, size);
    if (!ec) into.push_back(address);
    return ec;
  }
  // No AI_ADDRCONFIG: it hides "localhost" on machines whose only interface is the loopback.
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once per socket type
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(from.host().c_str(), nullptr, &hints, &found);
  if (failed == EAI_SYSTEM) return {errno, std::system_category()};
  if (failed != 0) return {failed, getaddrinfo_category()};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  for (const addrinfo* it = found; it != nullptr; it = it->ai_next) {
    if (it->ai_family == AF_INET) {
      auto ip = load<sockaddr_in>(it->ai_addr);
      ip.sin_port = htons(from.port());
      store(ip, address, size);
    } else if (it->ai_family == AF_INET6) {
      auto ip = load<sockaddr_in6>(it->ai_addr);
      ip.sin6_port = htons(from.port());
      store(ip, address, size);
    } else {
      continue;
    }
    into.push_back(address);
  }
  return into.empty() ? std::error_code(EAI_NONAME, getaddrinfo_category()) : std::error_code();
}

}  // namespace sennit::inline v0

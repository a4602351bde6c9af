#pragma once
// DNS messages (RFC 1035) as a test server reads and writes them, wrong ones included.
#include <arpa/inet.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sennit::test {

namespace dns {
inline constexpr std::uint16_t a = 1;
inline constexpr std::uint16_t cname = 5;
inline constexpr std::uint16_t aaaa = 28;
inline constexpr std::uint16_t srv = 33;
inline constexpr std::uint16_t no_error = 0;
inline constexpr std::uint16_t server_failure = 2;
inline constexpr std::uint16_t name_error = 3;
inline constexpr std::uint16_t refused = 5;
inline constexpr std::uint16_t truncated = 0x0200;
}  // namespace dns

/// What came. A value.
struct dns_question {
  std::uint16_t id = 0;
  std::string name;  // without the root's dot
  std::uint16_t type = 0;
  bool tcp = false;
};

/// A well-formed question of one name; none otherwise.
inline std::optional<dns_question> parse_question(std::string_view message) {
  const auto number = [&](std::size_t at) {
    return static_cast<std::uint16_t>((static_cast<unsigned char>(message[at]) << 8) |
                                      static_cast<unsigned char>(message[at + 1]));
  };
  if (message.size() < 12 || number(4) != 1) return {};
  dns_question q;
  q.id = number(0);
  std::size_t at = 12;
  for (;;) {
    if (at >= message.size()) return {};
    const auto length = static_cast<unsigned char>(message[at++]);
    if (length == 0) break;
    if (length > 63 || at + length > message.size()) return {};
    if (!q.name.empty()) q.name += '.';
    q.name += message.substr(at, length);
    at += length;
  }
  if (at + 4 > message.size()) return {};
  q.type = number(at);
  return q;
}

/// An answer, built record by record; bytes() is what is sent. Every record is of the name that was asked for.
class dns_reply {
 public:
  explicit dns_reply(const dns_question& q, std::uint16_t flags = dns::no_error) : dns_reply(q.id, flags, q) {}
  dns_reply(std::uint16_t id, std::uint16_t flags, const dns_question& q) {
    put(bytes_, id);
    put(bytes_, static_cast<std::uint16_t>(0x8180 | flags));  // a response, recursion available
    for (const bool one : {true, false, false, false}) put(bytes_, one ? 1 : 0);
    bytes_ += wire_name(q.name);
    put(bytes_, q.type);
    put(bytes_, 1);
  }

  dns_reply& a(const char* address) {
    in_addr v4{};
    ::inet_pton(AF_INET, address, &v4);
    return record(dns::a, {reinterpret_cast<const char*>(&v4), sizeof v4});
  }
  dns_reply& aaaa(const char* address) {
    in6_addr v6{};
    ::inet_pton(AF_INET6, address, &v6);
    return record(dns::aaaa, {reinterpret_cast<const char*>(&v6), sizeof v6});
  }
  dns_reply& srv(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target) {
    std::string data;
    for (const std::uint16_t n : {priority, weight, port}) put(data, n);
    return record(dns::srv, data + wire_name(target));
  }
  /// What follows the first 12 bytes of the record is `data`, whatever it is.
  dns_reply& record(std::uint16_t type, std::string_view data) {
    return record(std::string_view("\xc0\x0c", 2), type, data);  // the name at offset 12
  }
  /// The same with a name as it stands in the message.
  dns_reply& record(std::string_view name, std::uint16_t type, std::string_view data) {
    bytes_ += name;
    put(bytes_, type);
    put(bytes_, 1);
    put(bytes_, 0);
    put(bytes_, 300);  // time to live: two halves
    put(bytes_, static_cast<std::uint16_t>(data.size()));
    bytes_ += data;
    ++bytes_[7];
    if (bytes_[7] == 0) ++bytes_[6];
    return *this;
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

  static std::string wire_name(std::string_view name) {
    std::string wire;
    while (!name.empty()) {
      const auto dot = std::min(name.find('.'), name.size());
      wire += static_cast<char>(dot);
      wire += name.substr(0, dot);
      name.remove_prefix(std::min(dot + 1, name.size()));
    }
    return wire + '\0';
  }
  static void put(std::string& into, std::uint16_t n) {
    into += static_cast<char>(n >> 8);
    into += static_cast<char>(n & 0xff);
  }

 private:
  std::string bytes_;
};

}  // namespace sennit::test

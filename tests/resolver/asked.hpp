#pragma once
// What the tests of the resolver share: a resolver that asks a test's server only, and a server that knows all names.
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <sennit/resolver.hpp>

#include "support/dns_server.hpp"

namespace sennit::test {

/// Neither the machine's hosts file nor its configuration has a say.
inline resolver::options asking(const endpoint& server) {
  resolver::options o;
  o.servers = {server};
  o.timeout = std::chrono::seconds(5);
  o.hosts_file = "";
  o.config_file = "/dev/null";
  o.search.emplace();
  return o;
}

/// 192.0.2.1 and 2001:db8::1 for every name.
inline dns_reply both_addresses(const dns_question& q) {
  dns_reply reply(q);
  if (q.type == dns::a) reply.a("192.0.2.1");
  if (q.type == dns::aaaa) reply.aaaa("2001:db8::1");
  return reply;
}

inline std::vector<std::string> texts(const std::vector<endpoint>& endpoints) {
  std::vector<std::string> all;
  for (const auto& e : endpoints) all.push_back(e.to_string());
  return all;
}

}  // namespace sennit::test

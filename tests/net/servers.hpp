#pragma once
// What the tests of servers share: a handler, clients, and a place where handlers wait.
#include <array>
#include <atomic>
#include <span>
#include <string>
#include <vector>

#include <sennit/sennit.hpp>

#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {

/// Sends back what it receives.
struct echo {
  template <class Stream>
  void operator()(Stream stream) const {
    std::array<std::byte, 256> b;
    while (const std::size_t n = stream.read_some(b)) stream.write_all(std::span(b).first(n));
  }
};

/// One byte there and back, which tells that the connection is served.
template <class Stream>
bool answered(Stream& client) {
  std::array<std::byte, 1> b{std::byte{7}};
  std::error_code ec;
  client.write_all(b, ec);
  if (ec) return false;
  b = {};
  client.read_exact(b, ec);
  return !ec && b[0] == std::byte{7};
}

/// The number of the worker that the calling fiber is on.
inline unsigned here() { return detail::this_worker()->index; }

/// Handlers that wait until they are told to go on, and count themselves.
struct gate {
  event open;
  std::atomic<int> inside{0};
  void pass() {
    ++inside;
    open.wait();
  }
  void await(int count) {
    until([&] { return inside >= count; });
  }
};

}  // namespace sennit::test

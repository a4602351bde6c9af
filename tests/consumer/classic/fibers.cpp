// A server as they have been written for decades: blocking sockets, a thread for each connection, a lock around what
// they share. fibers.cpp is this file moved to sennit; classic_test.py compares the two and talks to both.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <sennit/sennit.hpp>

namespace {

/// Named values. Lines in, lines out: "set NAME VALUE", "get NAME", "await NAME" (until somebody sets it).
class store {
 public:
  std::string answer(const std::string& line) {
    const auto space = line.find(' '), second = line.find(' ', space + 1);
    const std::string verb = line.substr(0, space);
    if (space == std::string::npos) return "error: no name\n";
    const std::string name = line.substr(space + 1, second - space - 1);
    std::unique_lock lock(mutex_);
    if (verb == "set" && second != std::string::npos) {
      values_[name] = line.substr(second + 1);
      set_.notify_all();
      return "ok\n";
    }
    if (verb == "await") set_.wait(lock, [&] { return values_.contains(name); });
    if (verb != "await" && verb != "get") return "error: set, get or await\n";
    const auto found = values_.find(name);
    return found == values_.end() ? "none\n" : found->second + "\n";
  }

 private:
  sennit::mutex mutex_;
  sennit::condition_variable set_;
  std::map<std::string, std::string> values_;
};

void serve(sennit::tcp_stream client, store& values) {
  std::string pending;
  char buffer[4096];
  std::error_code ec;
  for (std::size_t got = 0; (got = client.read_some(std::as_writable_bytes(std::span(buffer)), ec)) > 0;) {
    pending.append(buffer, static_cast<std::size_t>(got));
    for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      const std::string reply = values.answer(pending.substr(0, end));
      pending.erase(0, end + 1);
      client.write_all(std::as_bytes(std::span(reply)), ec);
    }
  }
}

}  // namespace

int main() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(listener, address, size) != 0 || ::listen(listener, 4096) != 0) return std::perror("listen"), 1;
  ::getsockname(listener, address, &size);
  std::printf("%d\n", ntohs(at.sin_port));
  std::fflush(stdout);
  store values;
  sennit::runtime fibers;
  auto clients = sennit::tcp_listener::adopt(listener);
  for (;;) {
    fibers.spawn(serve, clients.accept(), std::ref(values)).detach();
  }
}

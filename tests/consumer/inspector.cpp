// Built against an installed sennit::inspector: the page is there, and says which program it is of.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include <sennit/inspector.hpp>
#include <sennit/sennit.hpp>

int main() {
  const sennit::inspector page("127.0.0.1:0");
  const std::string answer = sennit::run([&] {
    auto s = sennit::tcp_stream::connect(page.local_endpoint());
    const std::string request = "GET /state.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    s.write_all(std::as_bytes(std::span(request)));
    std::string out;
    std::array<std::byte, 4096> some;
    while (const std::size_t n = s.read_some(some)) out.append(reinterpret_cast<const char*>(some.data()), n);
    return out;
  });
  const bool good =
      answer.starts_with("HTTP/1.1 200") && answer.find("\"pid\":" + std::to_string(::getpid())) != std::string::npos;
  std::printf("consumer_inspector: %s\n", good ? "ok" : answer.c_str());
  return good ? 0 : 1;
}

#pragma once
// The least of an HTTP client: one request, one connection, read to the end.
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include <sennit/sennit.hpp>

namespace http {

/// The body of the answer to GET `path`. Throws std::runtime_error, with path and status line, unless that is 200; and
/// std::system_error: what connecting, writing and reading throw, deadline_passed after `patience`.
inline std::string get(const sennit::endpoint& server, const std::string& path, std::chrono::milliseconds patience) {
  auto stream = sennit::tcp_stream::connect(server);
  stream.expires_after(patience);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + server.host() + "\r\nConnection: close\r\n\r\n";
  stream.write_all(std::as_bytes(std::span(request)));

  std::string answer;
  std::array<std::byte, 1024> buffer;
  while (const std::size_t count = stream.read_some(buffer))
    answer.append(reinterpret_cast<const char*>(buffer.data()), count);
  const auto head = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 200 ") || head == std::string::npos)
    throw std::runtime_error("GET " + path + ": " + answer.substr(0, answer.find("\r\n")));
  return answer.substr(head + 4);
}

}  // namespace http

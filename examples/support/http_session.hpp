#pragma once
// One HTTP connection from its first byte to its last, in the plainest way: read, parse, answer, again. The code blocks
// wherever it waits; on a fiber that costs no thread.
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "support/http.hpp"

namespace http {

/// What a session needs of a connection. sennit::tcp_stream has it; the tests bring one that lives in memory.
template <class S>
concept byte_stream = requires(S& stream, std::span<std::byte> in, std::span<const std::byte> out) {
  { stream.read_some(in) } -> std::convertible_to<std::size_t>;  // 0: the client sends no more
  stream.write_all(out);
  stream.expires_after(std::chrono::seconds(1));  // later reads and writes throw timed_out
  stream.shutdown_send();                         // the client sees the end of what we send
};

struct session_options {
  limits bounds = {};
  std::chrono::milliseconds patience = std::chrono::seconds(30);  // for a whole request to come, or an answer to leave
  std::chrono::milliseconds linger = std::chrono::seconds(1);
};

/// What a handler may return in place of a response if the body is not in memory. The session sends `head`, then has
/// the body sent, of head.body_size bytes; false: it could not be sent whole, which ends the connection.
template <class A, class S>
concept streamed_answer = requires(A& answer, S& stream) {
  { answer.head } -> std::convertible_to<const response&>;
  { answer.send_body(stream) } -> std::same_as<bool>;
};

/// The handler's answer; 500 if it throws. A stop is not an error: it goes on up.
template <class Handler>
auto answer_or_500(const Handler& handle, const request& asked) -> decltype(handle(asked)) {
  const auto report = [&asked](const char* what) {
    std::fprintf(stderr, "%s %s: %s\n", asked.method.c_str(), asked.path.c_str(), what);
    return decltype(handle(asked)){error_response(500)};
  };
  try {
    return handle(asked);
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::operation_canceled) throw;
    return report(e.what());
  } catch (const std::exception& e) {
    return report(e.what());
  }
}

/// Ends a connection so that the last answer arrives: closing with unread bytes would make the kernel send a reset, and
/// that may overtake the answer.
template <byte_stream S>
void close_gently(S& stream, std::span<std::byte> scratch, std::chrono::milliseconds linger) {
  stream.shutdown_send();
  stream.expires_after(linger);
  while (stream.read_some(scratch) > 0) {}
}

/// A client that leaves or falls asleep is daily business, not an error of the server.
inline bool client_is_gone(const std::error_code& code) {
  return code == std::errc::timed_out || code == std::errc::connection_reset || code == std::errc::broken_pipe ||
         code == std::errc::not_connected || code == std::errc::connection_aborted;
}

/// Answers requests with `handle(const request&) -> response`, or a streamed_answer, until the client has had enough,
/// breaks the rules or is too slow. Requests that come together (pipelining) are answered one by one, in order.
template <byte_stream S, class Handler>
void serve(S& stream, const Handler& handle, const session_options& options = {}) {
  request_parser parser(options.bounds);
  std::array<std::byte, 4096> buffer;
  std::string out;
  const auto send = [&] {
    stream.expires_after(options.patience);
    stream.write_all(std::as_bytes(std::span(out)));
    stream.expires_after(options.patience);  // and now for the next request
    out.clear();
  };

  try {
    stream.expires_after(options.patience);
    while (const std::size_t count = stream.read_some(buffer)) {
      std::string_view bytes(reinterpret_cast<const char*>(buffer.data()), count);
      while (!bytes.empty()) {
        bytes.remove_prefix(parser.feed(bytes));
        if (parser.take_expect_continue()) {
          out = "HTTP/1.1 100 Continue\r\n\r\n";
          send();
        } else if (parser.failed()) {
          append(out, error_response(parser.error(), parser.why()), parser.current());
          send();
          return close_gently(stream, buffer, options.linger);
        } else if (parser.done()) {
          const request asked = parser.take();
          auto answer = answer_or_500(handle, asked);
          bool close = !asked.keep_alive;
          if constexpr (streamed_answer<decltype(answer), S>) {
            append(out, answer.head, asked);
            send();
            close = close || answer.head.close;
            const bool follows = answer.head.body_size && sends_body(answer.head, asked);
            if (follows && !answer.send_body(stream)) return;
            stream.expires_after(options.patience);
          } else {
            append(out, answer, asked);
            send();
            close = close || answer.close;
          }
          if (close) return close_gently(stream, buffer, options.linger);
        }
      }
    }
  } catch (const std::system_error& e) {
    if (!client_is_gone(e.code())) throw;  // a stop, for one, is the caller's
  }
}

}  // namespace http

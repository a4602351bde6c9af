#pragma once
// HTTP/1.1 for the examples: what a server reads and what it answers (RFC 9110, RFC 9112). Nothing here knows sennit,
// sockets or threads: bytes go in, requests come out, answers become bytes. http_session.hpp adds the stream.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

struct header {
  std::string name;
  std::string value;
};

/// One request, complete with its body.
struct request {
  std::string method = {};           // case-sensitive: GET, POST, ...
  std::string path = {};             // as sent, with its %XX; "*" for OPTIONS *
  std::string query = {};            // what follows '?', as sent
  int minor_version = 1;             // of HTTP/1.x
  std::vector<header> headers = {};  // in the order sent
  std::string body = {};             // without chunk framing; trailers are checked and dropped
  bool keep_alive = true;            // does the client want to go on with this connection?

  /// The value of the first header of that name (case does not matter), or nullptr.
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
  /// Does a header that holds a comma-separated list contain `token`? All headers of that name count as one list.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;
};

struct response {
  int status = 200;
  std::string body = {};
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<header> headers = {};             // beside Content-Length, Content-Type and Connection
  bool close = false;                           // end the connection after this answer
  std::optional<std::uint64_t> body_size = {};  // of a body that is sent after the head, in place of `body`
};

/// Without the blanks and tabs around it.
[[nodiscard]] std::string_view trim(std::string_view text);
/// The text up to `separator`, which is taken off `text` together with it.
std::string_view cut(std::string_view& text, char separator);

/// "Not Found" for 404. Empty for codes that no example uses.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

/// A short text answer that says the code and why: "404 Not Found: no such page".
[[nodiscard]] response error_response(int status, std::string_view why = {});

/// Does a body follow the head? Not for HEAD, nor after 304 and such.
[[nodiscard]] bool sends_body(const response& answer, const request& to) noexcept;

/// Appends `answer` to `out` as bytes for the wire. `to` tells whether the body is left out (HEAD) and which Connection
/// header is due. Throws std::invalid_argument if a header would break out of its line.
void append(std::string& out, const response& answer, const request& to);

/// "a%20b" becomes "a b". A stray % stays as it is; paths and queries of a parsed request have none.
[[nodiscard]] std::string percent_decode(std::string_view text);

/// What a client may ask a server to hold in memory.
struct limits {
  std::size_t request_line = 8 * 1024;  // else 414
  std::size_t head = 32 * 1024;         // header lines and trailers together, else 431
  std::size_t headers = 100;            // else 431
  std::size_t body = 1024 * 1024;       // else 413
};

/// Turns bytes into requests, however the network has cut them. Strict where leniency has led to request smuggling: a
/// request that two servers could read in two ways is refused. Owned by one connection; not for several threads.
///
///   while (there are bytes) {
///     bytes.remove_prefix(parser.feed(bytes));
///     if (parser.done()) answer(parser.take());
///     if (parser.failed()) { answer(error_response(parser.error(), parser.why())); close; }
///   }
class request_parser {
 public:
  explicit request_parser(limits bounds = {});

  /// Takes bytes, at most to the end of this request, and says how many. What it leaves belongs to the next request
  /// (pipelining), after take(). Takes at least one byte unless done or failed.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] bool done() const noexcept { return state_ == state::done; }
  [[nodiscard]] bool failed() const noexcept { return state_ == state::failed; }
  /// Nothing of a request has come yet: the connection is idle.
  [[nodiscard]] bool idle() const noexcept { return state_ == state::request_line && line_.empty(); }

  /// After failed(): the status code to answer with before closing, and a sentence.
  [[nodiscard]] int error() const noexcept { return error_; }
  [[nodiscard]] std::string_view why() const noexcept { return why_; }

  /// True once per request that waits for "100 Continue" before it sends its body.
  [[nodiscard]] bool take_expect_continue() noexcept;

  /// What is known so far. Complete once done().
  [[nodiscard]] const request& current() const noexcept { return request_; }
  /// Hands over the request and begins the next one. Only after done().
  [[nodiscard]] request take();

 private:
  enum class state : std::uint8_t {
    request_line,
    headers,
    body,
    chunk_size,
    chunk_data,
    chunk_end,
    trailers,
    done,
    failed
  };

  std::size_t feed_line(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  void on_line(std::string_view line);
  void on_request_line(std::string_view line);
  void on_target(std::string_view target);
  void on_header(std::string_view line);
  void on_end_of_headers();
  void on_chunk_size(std::string_view line);
  void choose_body();
  void reset();
  void fail(int status, const char* why) noexcept;

  limits limits_;
  request request_;
  std::string line_;           // the line under way, as far as it has come
  std::size_t head_left_ = 0;  // bytes of headers and trailers still allowed
  std::size_t headers_left_ = 0;
  std::size_t body_left_ = 0;  // bytes of the body, or of this chunk, still to come
  state state_ = state::request_line;
  bool skipped_blank_line_ = false;
  bool expects_continue_ = false;
  int error_ = 0;
  const char* why_ = "";
};

}  // namespace http

#include "support/http.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace http {
namespace {

// A chunk-size line with its extensions. Nobody sends more; without a bound, tiny chunks could carry endless
// extensions.
constexpr std::size_t chunk_line_limit = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = to_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The characters of methods and header names (RFC 9110, 5.6.2).
constexpr std::array<bool, 256> token_characters = [] {
  std::array<bool, 256> found{};
  for (const char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    found[static_cast<unsigned char>(c)] = true;
  }
  return found;
}();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return token_characters[static_cast<unsigned char>(c)]; });
}

/// Printable characters, space, tab and bytes above ASCII: neither a bare CR nor a NUL hides in a value.
bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool is_target(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c <= ' ' || c >= 0x7f || c == '#') return false;
    if (c == '%' && (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)) return false;
  }
  return true;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return to_lower(x) == to_lower(y); });
}

}  // namespace

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view cut(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  const auto head = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return head;
}

// --- request ---

const std::string* request::find(std::string_view name) const noexcept {
  for (const auto& h : headers)
    if (equal_ignoring_case(h.name, name)) return &h.value;
  return nullptr;
}

bool request::has_token(std::string_view name, std::string_view token) const noexcept {
  for (const auto& h : headers) {
    if (!equal_ignoring_case(h.name, name)) continue;
    for (std::string_view list = h.value; !list.empty();)
      if (equal_ignoring_case(trim(cut(list, ',')), token)) return true;
  }
  return false;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (!escape) {
      out += text[i];
    } else {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    }
  }
  return out;
}

// --- response ---

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return {};
  }
}

response error_response(int status, std::string_view why) {
  response answer{.status = status, .body = std::to_string(status)};
  answer.body.append(" ").append(reason_phrase(status));
  if (!why.empty()) answer.body.append(": ").append(why);
  answer.body += '\n';
  return answer;
}

namespace {
bool may_have_body(int status) noexcept { return status >= 200 && status != 204 && status != 304; }
}  // namespace

bool sends_body(const response& answer, const request& to) noexcept {
  return may_have_body(answer.status) && to.method != "HEAD";
}

void append(std::string& out, const response& answer, const request& to) {
  const auto line = [&out](std::string_view name, std::string_view value) {
    if (!is_token(name) || !is_field_value(value))
      throw std::invalid_argument("http: a response header has characters that a header cannot hold; encode the value");
    out.append(name).append(": ").append(value).append("\r\n");
  };
  out.append("HTTP/1.1 ")
      .append(std::to_string(answer.status))
      .append(" ")
      .append(reason_phrase(answer.status))
      .append("\r\n");
  for (const auto& h : answer.headers) line(h.name, h.value);
  if (may_have_body(answer.status)) {
    line("Content-Type", answer.content_type);
    line("Content-Length", std::to_string(answer.body_size.value_or(answer.body.size())));
  }
  if (answer.close || !to.keep_alive)
    line("Connection", "close");
  else if (to.minor_version == 0)
    line("Connection", "keep-alive");  // HTTP/1.0 clients close unless told
  out.append("\r\n");
  if (sends_body(answer, to)) out.append(answer.body);
}

// --- request_parser ---

request_parser::request_parser(limits bounds) : limits_(bounds) { reset(); }

void request_parser::reset() {
  request_ = {};
  line_.clear();
  head_left_ = limits_.head;
  headers_left_ = limits_.headers;
  body_left_ = 0;
  state_ = state::request_line;
  skipped_blank_line_ = false;
  expects_continue_ = false;
}

request request_parser::take() {
  if (!done()) throw std::logic_error("http: take() before done(); feed() the rest of the request first");
  request complete = std::move(request_);
  reset();
  return complete;
}

bool request_parser::take_expect_continue() noexcept { return std::exchange(expects_continue_, false); }

void request_parser::fail(int status, const char* why) noexcept {
  state_ = state::failed;
  error_ = status;
  why_ = why;
  request_.keep_alive = false;  // where the next request would begin is not known any more
}

std::size_t request_parser::feed(std::string_view bytes) {
  const std::size_t offered = bytes.size();
  while (!bytes.empty() && !done() && !failed()) {
    const bool in_body = state_ == state::body || state_ == state::chunk_data;
    bytes.remove_prefix(in_body ? feed_body(bytes) : feed_line(bytes));
  }
  return offered - bytes.size();
}

/// Everything but a body comes in lines. Collects one, within the limit that fits the place.
std::size_t request_parser::feed_line(std::string_view bytes) {
  const std::size_t newline = bytes.find('\n');
  const bool complete = newline != std::string_view::npos;
  const std::size_t taken = complete ? newline + 1 : bytes.size();
  const std::size_t length = line_.size() + taken;

  if (state_ == state::request_line && length > limits_.request_line) {
    fail(414, "the request line is too long");
  } else if ((state_ == state::headers || state_ == state::trailers) && length > head_left_) {
    fail(431, "the headers are too long");
  } else if (state_ == state::chunk_size && length > chunk_line_limit) {
    fail(400, "a chunk-size line is too long");
  } else if (state_ == state::chunk_end && length > 2) {
    fail(400, "a chunk is longer than its size says");
  } else {
    std::string_view line = bytes.substr(0, taken);
    if (!line_.empty() || !complete) line = line_.append(line);  // it comes in pieces
    if (!complete) return taken;
    if (line.ends_with("\r\n"))
      on_line(line.substr(0, line.size() - 2));
    else
      fail(400, "a line ends in LF without CR");
    line_.clear();
  }
  return taken;
}

std::size_t request_parser::feed_body(std::string_view bytes) {
  const std::size_t taken = std::min(bytes.size(), body_left_);
  expects_continue_ = false;  // it did not wait
  request_.body.append(bytes.substr(0, taken));
  body_left_ -= taken;
  if (body_left_ == 0) state_ = state_ == state::body ? state::done : state::chunk_end;
  return taken;
}

void request_parser::on_line(std::string_view line) {
  switch (state_) {
    case state::request_line: return on_request_line(line);
    case state::headers:
    case state::trailers: head_left_ -= line.size() + 2; return line.empty() ? on_end_of_headers() : on_header(line);
    case state::chunk_size: return on_chunk_size(line);
    case state::chunk_end:
      if (!line.empty()) return fail(400, "a chunk is longer than its size says");
      state_ = state::chunk_size;
      return;
    case state::body:
    case state::chunk_data:
    case state::done:
    case state::failed: return;  // feed() sends no lines here
  }
}

void request_parser::on_request_line(std::string_view line) {
  if (line.empty() && !skipped_blank_line_) {  // some clients end a body with a stray CR LF
    skipped_blank_line_ = true;
    return;
  }
  std::string_view version = line;
  const auto method = cut(version, ' ');
  const auto target = cut(version, ' ');
  if (!is_token(method) || target.empty()) return fail(400, "a request line is METHOD TARGET HTTP/1.1");
  const bool looks_right = version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
                           version[6] == '.' && is_digit(version[7]);
  if (!looks_right) return fail(400, "a request line ends in HTTP/1.1");
  if (version[5] != '1') return fail(505, "this server speaks HTTP/1.0 and HTTP/1.1");

  request_.method = method;
  request_.minor_version = version[7] - '0';
  state_ = state::headers;
  on_target(target);
}

/// Origin form "/path?query", absolute form "http://host/path" (RFC 9112 3.2.2: a server must take it), or "*".
void request_parser::on_target(std::string_view target) {
  if (!is_target(target)) return fail(400, "the request target is not a valid URI");
  if (request_.method == "CONNECT") return fail(501, "this server is no proxy");
  if (target == "*" && request_.method == "OPTIONS") {
    request_.path = "*";
    return;
  }
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
    const auto name = target.substr(0, scheme);
    if (!equal_ignoring_case(name, "http") && !equal_ignoring_case(name, "https"))
      return fail(400, "the request target has a scheme other than http");
    target.remove_prefix(scheme + 3);
    const auto host = target.substr(0, target.find_first_of("/?"));
    if (host.empty()) return fail(400, "the request target names no host");
    target.remove_prefix(host.size());
    if (!target.starts_with('/')) request_.path = "/";
  } else if (!target.starts_with('/')) {
    return fail(400, "the request target does not begin with /");
  }
  request_.path += cut(target, '?');
  request_.query = target;
}

void request_parser::on_header(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return fail(400, "a header continues on a second line");
  if (headers_left_-- == 0) return fail(431, "there are too many headers");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return fail(400, "a header has no colon");
  const auto name = line.substr(0, colon);
  const auto value = trim(line.substr(colon + 1));
  if (!is_token(name)) return fail(400, "a header name has characters that it cannot hold");
  if (!is_field_value(value)) return fail(400, "a header value has control characters");
  if (state_ == state::headers) request_.headers.push_back({std::string(name), std::string(value)});
}

void request_parser::on_end_of_headers() {
  if (state_ == state::trailers) {
    state_ = state::done;
    return;
  }
  const auto hosts =
      std::ranges::count_if(request_.headers, [](auto& h) { return equal_ignoring_case(h.name, "host"); });
  if (hosts > 1) return fail(400, "there is more than one Host header");
  if (hosts == 0 && request_.minor_version >= 1) return fail(400, "HTTP/1.1 needs a Host header");
  if (hosts == 1 && request_.find("host")->find_first_of(" \t,/?#@\\") != std::string::npos)
    return fail(400, "the Host header is no host");

  request_.keep_alive = !request_.has_token("connection", "close") &&
                        (request_.minor_version >= 1 || request_.has_token("connection", "keep-alive"));
  choose_body();

  const std::string* expect = request_.find("expect");
  if (failed() || done() || expect == nullptr || request_.minor_version == 0) return;
  if (!equal_ignoring_case(*expect, "100-continue")) return fail(417, "the only expectation is 100-continue");
  expects_continue_ = true;
}

/// Where the body ends (RFC 9112 6.3). Wherever two servers could disagree, the answer is 400: that is how requests are
/// smuggled past the first of them.
void request_parser::choose_body() {
  const std::string* length = nullptr;
  const std::string* coding = nullptr;
  for (const auto& h : request_.headers) {
    if (equal_ignoring_case(h.name, "content-length")) {
      if (length != nullptr) return fail(400, "there is more than one Content-Length");
      length = &h.value;
    } else if (equal_ignoring_case(h.name, "transfer-encoding")) {
      if (coding != nullptr) return fail(400, "there is more than one Transfer-Encoding");
      coding = &h.value;
    }
  }
  if (coding != nullptr) {
    if (length != nullptr) return fail(400, "a request has Content-Length or Transfer-Encoding, not both");
    if (request_.minor_version == 0) return fail(400, "HTTP/1.0 has no Transfer-Encoding");
    if (!equal_ignoring_case(*coding, "chunked")) return fail(501, "the only Transfer-Encoding is chunked");
    state_ = state::chunk_size;
    return;
  }
  state_ = state::done;
  if (length == nullptr) return;

  if (length->empty() || !std::ranges::all_of(*length, is_digit)) return fail(400, "Content-Length is not a number");
  const auto parsed = std::from_chars(length->data(), length->data() + length->size(), body_left_);
  if (parsed.ec != std::errc{} || body_left_ > limits_.body) return fail(413, "the body is too large");
  if (body_left_ > 0) state_ = state::body;
}

void request_parser::on_chunk_size(std::string_view line) {
  expects_continue_ = false;
  const auto digits = line.substr(0, line.find(';'));
  if (!is_field_value(line)) return fail(400, "a chunk extension has control characters");
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), body_left_, 16);
  if (digits.empty() || hex_value(digits.front()) < 0) return fail(400, "a chunk begins with its size in hex");
  if (parsed.ec == std::errc::result_out_of_range) return fail(413, "the body is too large");
  if (parsed.ptr != digits.data() + digits.size()) return fail(400, "a chunk begins with its size in hex");
  if (body_left_ > limits_.body - request_.body.size()) return fail(413, "the body is too large");
  state_ = body_left_ > 0 ? state::chunk_data : state::trailers;
}

}  // namespace http

// The HTTP session over a stream in memory: what it answers, in which order, and how it ends.
#include "support/http_session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/http.hpp"

namespace {

using http::request;

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string post = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

/// A connection whose client has sent everything beforehand, piece by piece.
struct memory_stream {
  std::deque<std::string> incoming;
  std::string outgoing = {};
  bool ended = false;
  std::errc at_end = {};

  std::size_t read_some(std::span<std::byte> into) {
    if (incoming.empty()) {
      if (at_end != std::errc{}) throw std::system_error(std::make_error_code(at_end));
      return 0;
    }
    std::string& piece = incoming.front();
    const std::size_t count = std::min(piece.size(), into.size());
    std::ranges::copy(std::as_bytes(std::span(piece)).first(count), into.begin());
    piece.erase(0, count);
    if (piece.empty()) incoming.pop_front();
    return count;
  }
  void write_all(std::span<const std::byte> bytes) {
    ASSERT_FALSE(ended) << "nothing may follow the end";
    outgoing.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void expires_after(std::chrono::nanoseconds) {}
  void shutdown_send() { ended = true; }
};

http::response echo(const request& asked) {
  if (asked.path == "/throw") throw std::runtime_error("on purpose");
  if (asked.path == "/stop") throw std::system_error(std::make_error_code(std::errc::operation_canceled));
  return {.body = asked.path + asked.body};
}

/// The status codes and bodies of the answers, in order: "200 /a 404 nothing".
std::string answers_to(std::deque<std::string> incoming) {
  memory_stream stream{std::move(incoming)};
  http::serve(stream, echo);
  std::string text;
  for (std::string_view left = stream.outgoing; !left.empty();) {
    text += std::string(left.substr(9, 3)) + " ";
    const auto head = left.substr(0, left.find("\r\n\r\n") + 4);
    const auto at = head.find("Content-Length: ");
    const auto length = at == std::string_view::npos ? 0 : std::stoul(std::string(head.substr(at + 16)));
    if (head.starts_with("HTTP/1.1 200")) text += std::string(left.substr(head.size(), length)) + " ";
    left.remove_prefix(head.size() + length);
  }
  return text + (stream.ended ? "end" : "open");
}

TEST(http_session, answers_in_order_whatever_the_cut) {
  EXPECT_EQ(answers_to({get + post + get}), "200 / 200 /phello 200 / open");
  std::deque<std::string> bytes;
  for (const char c : get + post + get) bytes.emplace_back(1, c);
  EXPECT_EQ(answers_to(bytes), "200 / 200 /phello 200 / open");
}

TEST(http_session, ends_where_the_rules_say_so) {
  EXPECT_EQ(answers_to({"GET / HTTP/1.0\r\n\r\n" + get}), "200 / end");
  EXPECT_EQ(answers_to({"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", get}), "200 / end");
  EXPECT_EQ(answers_to({get + "nonsense\r\n" + get}), "200 / 400 end");
  EXPECT_EQ(answers_to({get + "GET /unfinished HTT"}), "200 / open");
  EXPECT_EQ(answers_to({}), "open");
}

TEST(http_session, says_continue_once) {
  const std::string head = "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  EXPECT_EQ(answers_to({head, "hel", "lo", get}), "100 200 /chello 200 / open");
  EXPECT_EQ(answers_to({head + "hello"}), "200 /chello open");
}

TEST(http_session, a_throwing_handler_is_a_500_and_a_stop_is_a_stop) {
  EXPECT_EQ(answers_to({"GET /throw HTTP/1.1\r\nHost: a\r\n\r\n" + get}), "500 200 / open");
  memory_stream stream{{"GET /stop HTTP/1.1\r\nHost: a\r\n\r\n"}};
  EXPECT_THROW(http::serve(stream, echo), std::system_error);
  EXPECT_EQ(stream.outgoing, "");
}

TEST(http_session, a_client_that_leaves_is_no_error_and_a_stop_is) {
  for (const auto gone : {std::errc::timed_out, std::errc::connection_reset, std::errc::broken_pipe}) {
    memory_stream stream{.incoming = {get}, .at_end = gone};
    EXPECT_NO_THROW(http::serve(stream, echo));
    EXPECT_TRUE(stream.outgoing.ends_with("\r\n\r\n/"));
  }
  memory_stream stopped{.incoming = {get}, .at_end = std::errc::operation_canceled};
  EXPECT_THROW(http::serve(stopped, echo), std::system_error);
}

/// A body of 5 bytes, or of those that there are.
struct streamed {
  http::response head;
  std::string body = {};

  bool send_body(memory_stream& to) {
    to.write_all(std::as_bytes(std::span(body)));
    return body.size() == head.body_size;
  }
};

TEST(http_session, bodies_that_are_sent_after_the_head) {
  memory_stream stream{
      {"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
       "GET /throw HTTP/1.1\r\nHost: a\r\n\r\nGET /sho HTTP/1.1\r\nHost: a\r\n\r\n" +
       get}};
  http::serve(stream, [](const request& asked) -> streamed {
    if (asked.path == "/throw") throw std::runtime_error("on purpose");
    return {{.body_size = 5}, asked.path.substr(1)};
  });
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n";
  const auto error = stream.outgoing.find("HTTP/1.1 500");
  ASSERT_NE(error, std::string::npos);
  EXPECT_EQ(stream.outgoing.substr(0, error), head + head + "hello");
  EXPECT_TRUE(stream.outgoing.ends_with("\n" + head + "sho")) << "nothing follows a body that was cut short";
}

}  // namespace

// sennit's servers of the group http: that of rung 7, and one that shares the floor's view of a request.
#include "common/http.hpp"

#include <array>

#include <sennit/sennit.hpp>

#include "common/program.hpp"
#include "support/http_session.hpp"
#include "support/router.hpp"

namespace {

using namespace bench;

/// A fiber for each connection, which runs session(stream).
void serve(const auto& session) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    auto listener = sennit::tcp_listener::bind("127.0.0.1:0");
    say_port(listener.local_endpoint().port());
    sennit::scope sessions(sennit::on_exception::log);
    for (;;) sessions.spawn([&, stream = listener.accept()]() mutable { session(stream); });
  });
}

}  // namespace

void serve_http() {
  http::router routes;
  routes.add("GET", "/", [](const http::request&, const http::path_params&) -> http::response {
    return {.body = std::string(http_body), .content_type = std::string(http_type)};
  });
  serve([&](sennit::tcp_stream& stream) {
    http::serve(stream, [&](const http::request& asked) { return http::dispatch(routes, asked); });
  });
}

void serve_http_bare() {
  serve([](sennit::tcp_stream& stream) {
    request_counter requests;
    std::array<char, 4096> bytes;
    while (const std::size_t n = stream.read_some(std::as_writable_bytes(std::span(bytes)))) {
      const std::string_view answers = http_answers(requests.feed({bytes.data(), n}));
      if (!answers.empty()) stream.write_all(std::as_bytes(std::span(answers)));
    }
  });
}

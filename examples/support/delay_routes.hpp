#pragma once
// The service of rungs 00 and 08: GET /<ms>/<message> answers with the message after that many milliseconds.
#include <charconv>
#include <chrono>
#include <string_view>

#include <sennit/sennit.hpp>

#include "support/router.hpp"

namespace example {

inline http::response answer_later(const http::request&, const http::path_params& params) {
  const std::string_view text = params.raw("ms");
  unsigned ms = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || ms > 600'000)
    return http::error_response(400, "ask for /<ms>/<message>, 600000 ms at most");
  sennit::this_fiber::sleep_for(std::chrono::milliseconds(ms));  // a fiber parks; a plain thread sleeps
  return {.body = params["message"]};
}

inline http::router delay_routes() {
  http::router routes;
  routes.add("GET", "/:ms/*message", answer_later);
  return routes;
}

}  // namespace example

#include <sennit/asio.hpp>
#include <sennit/inspector.hpp>

// clang-format off: after sennit/asio.hpp
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
// clang-format on

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include <sennit/detail/visit_runtimes.hpp>
#include <sennit/inspect.hpp>
#include <sennit/iostream.hpp>
#include <sennit/log.hpp>
#include <sennit/metrics.hpp>
#include <sennit/mutex.hpp>
#include <sennit/runtime.hpp>
#include <sennit/server.hpp>
#include <sennit/trace.hpp>

#include "inspector/page.hpp"
#include "inspector/state.hpp"

namespace sennit::inline v0 {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using namespace std::chrono_literals;

using text = std::shared_ptr<const std::string>;
using request = http::request<http::empty_body>;

/// Something expensive, made at most five times a second, whoever asks.
class shared_answer {
 public:
  template <class Make>
  text get(Make&& make) {
    const std::lock_guard guard(lock_);
    const auto now = std::chrono::steady_clock::now();
    if (made_ == nullptr || now - at_ > 200ms) {
      made_ = std::make_shared<const std::string>(make());
      at_ = std::chrono::steady_clock::now();
    }
    return made_;
  }

 private:
  mutex lock_;
  text made_;
  std::chrono::steady_clock::time_point at_;
};

struct answer {
  http::status status = http::status::ok;
  std::string_view type = "text/plain; charset=utf-8";
  text body = nullptr;
  std::unique_ptr<trace> recording = nullptr;  // in place of the body, written as it is sent
};

/// Of all workers of a recording together, 64 bytes each.
constexpr std::size_t most_events = std::size_t{1} << 16;
/// That are listed one by one: their text takes some 300 bytes each.
constexpr std::uint64_t most_listed = 10'000;

answer refusal(http::status status, std::string why) {
  return {.status = status, .body = std::make_shared<const std::string>(std::move(why) + "\n")};
}

/// An IP address or localhost, with or without a port: what only somebody who knows the address puts there.
bool is_no_foreign_name(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.rfind(':'));
  return host == "localhost" || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

/// What %XX stand for; nullopt if it is none.
std::optional<std::string> unescaped(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] != '%') {
      out += part[i] == '+' ? ' ' : part[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= part.size()) return std::nullopt;
    const auto [end, ec] = std::from_chars(part.data() + i + 1, part.data() + i + 3, byte, 16);
    if (ec != std::errc() || end != part.data() + i + 3) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

/// The value of `name` in "a=1&b=2"; nullopt without one, or if it cannot be read.
std::optional<std::string> value_in(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return unescaped(pair.substr(name.size() + 1));
  }
  return std::nullopt;
}

}  // namespace

struct inspector::impl {
  impl(const endpoint& at, const options& opts)
      : options_(opts),
        own_({.workers = 1, .name = std::string_view(detail::inspector_runtime), .stall_threshold = {}}),
        server_(own_, at, {.connections = {.name = "inspector", .max_running = opts.max_connections}},
                [this](tcp_stream s) { serve(std::move(s)); }) {}

  void serve(tcp_stream connection) {
    asio_stream<tcp_stream> s(std::move(connection));
    beast::flat_buffer buffer(16 << 10);
    for (bool more = true; more;) {
      s.next_layer().expires_after(options_.request_timeout);
      http::request_parser<http::empty_body> parser;
      parser.header_limit(8 << 10);
      parser.body_limit(std::uint64_t{0});
      beast::error_code ec;
      http::read(s, buffer, parser, ec);
      if (ec && ec.category() != http::make_error_code(http::error::bad_method).category())
        return;  // gone, or too slow
      if (ec == http::error::end_of_stream) return;
      const bool bad = static_cast<bool>(ec);
      const answer a = bad ? refusal(http::status::bad_request, "bad request: " + ec.message()) : reply(parser.get());
      more = !bad && a.recording == nullptr && parser.get().keep_alive();
      s.next_layer().expires_after(options_.request_timeout);
      send(s, a, parser.get(), more, ec);
      if (ec) return;
    }
    std::error_code ignored;
    s.next_layer().shutdown_send(ignored);
  }

  static void send(asio_stream<tcp_stream>& s, const answer& a, const request& r, bool keep, beast::error_code& ec) {
    http::response<http::span_body<const char>> out(a.status, r.version());
    out.set(http::field::content_type, {a.type.data(), a.type.size()});
    out.set(http::field::cache_control, "no-store");
    out.set("X-Content-Type-Options", "nosniff");
    out.set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'");
    out.keep_alive(keep);
    http::response_serializer<http::span_body<const char>> serializer(out);
    if (a.recording != nullptr) {  // of a length that nobody knows before: the end of the connection ends it
      out.set(http::field::content_disposition, "attachment; filename=\"sennit-trace.json\"");
      http::write_header(s, serializer, ec);
      if (ec || r.method() == http::verb::head) return;
      iostream<tcp_stream> body(s.next_layer());
      a.recording->write(body);
      return;
    }
    out.body() = {a.body->data(), a.body->size()};
    out.content_length(a.body->size());
    r.method() == http::verb::head ? http::write_header(s, serializer, ec) : http::write(s, serializer, ec);
  }

  answer reply(const request& r) {
    const std::string_view host(r[http::field::host].data(), r[http::field::host].size());
    if (!is_no_foreign_name(host))
      return refusal(http::status::forbidden, "this is served under an IP address or localhost only");
    if (r.method() != http::verb::get && r.method() != http::verb::head)
      return refusal(http::status::method_not_allowed, "GET and HEAD only");
    const std::string_view target(r.target().data(), r.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string_view query = path.size() < target.size() ? target.substr(path.size() + 1) : "";
    if (const detail::page_file* file = detail::find_page_file(path))
      return {.type = file->type, .body = std::make_shared<const std::string>(file->content)};
    if (path == "/state.json") return {.type = "application/json", .body = state_.get(detail::state_as_json)};
    if (path == "/metrics") {
      return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_.get([] {
                std::ostringstream out;
                write_metrics(out);
                return out.str();
              })};
    }
    const auto dump = [](dump_format format) {
      return [format] {
        std::ostringstream out;
        dump_fibers(out, format);
        return out.str();
      };
    };
    if (path == "/fibers.txt") return {.body = text_.get(dump(dump_format::text))};
    if (path == "/fibers.json" && count_fibers() > most_listed)
      return refusal(http::status::service_unavailable, "too many fibers to list: see /fibers.txt or /state.json");
    if (path == "/fibers.json") return {.type = "application/json", .body = json_.get(dump(dump_format::json))};
    if (path == "/trace.json") return record(query);
    return refusal(http::status::not_found, "not here");
  }

  static std::uint64_t count_fibers() {
    std::uint64_t all = 0;
    detail::visit_runtimes([&](runtime& rt) {
      const runtime_stats s = rt.stats();
      all += s.spawned - s.finished;
    });
    return all;
  }

  answer record(std::string_view query) {
    const std::string wanted = value_in(query, "runtime").value_or("");
    const std::string ms_text = value_in(query, "ms").value_or("1000");
    unsigned ms = 0;
    const auto [end, ec] = std::from_chars(ms_text.data(), ms_text.data() + ms_text.size(), ms);
    if (ec != std::errc() || end != ms_text.data() + ms_text.size() ||
        std::chrono::milliseconds(ms) > options_.max_trace)
      return refusal(http::status::bad_request, "ms: a number of milliseconds, not above the inspector's max_trace");
    std::unique_ptr<trace> recording;
    bool busy = false;
    detail::visit_runtimes([&](runtime& rt) {
      if (recording != nullptr) return;
      const std::string name = rt.metrics().name;
      if (name == detail::inspector_runtime || (!wanted.empty() && name != wanted)) return;
      try {
        recording = std::make_unique<trace>(rt, most_events / (rt.workers() + 1));
      } catch (const std::system_error&) {
        busy = true;
      }
    });
    if (recording == nullptr) {
      return busy ? refusal(http::status::conflict, "this runtime is being recorded already")
                  : refusal(http::status::not_found, "there is no such runtime");
    }
    this_fiber::sleep_for(std::chrono::milliseconds(ms));
    recording->stop();
    return {.type = "application/json", .recording = std::move(recording)};
  }

  const options options_;
  shared_answer state_, metrics_, text_, json_;
  runtime own_;
  tcp_server server_;
};

inspector::inspector(const endpoint& at, const options& opts) : impl_(std::make_unique<impl>(at, opts)) {}

inspector::~inspector() = default;

endpoint inspector::local_endpoint() const { return impl_->server_.local_endpoint(); }

}  // namespace sennit::inline v0

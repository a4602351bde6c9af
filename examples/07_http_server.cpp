// Rung 7: HTTP/1.1, with a parser, a router and handlers that may wait.
//
// The shape is that of the echo server. Between read and write stand support/http.hpp (bytes to requests and back),
// support/router.hpp (which handler?) and support/http_session.hpp (the loop: keep-alive, pipelining, errors, a client
// that is too slow). None of them knows fibers: whatever blocks, blocks one fiber only.
//
//   07_http_server --port 7007 &   then   curl -i http://127.0.0.1:7007/hello/you
#include <iostream>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/http_session.hpp"
#include "support/router.hpp"
#include "support/stop_signal.hpp"

namespace {

http::router make_routes() {
  using http::path_params, http::request, http::response;
  http::router routes;
  routes.add("GET", "/", [](const request&, const path_params&) -> response {
    return {.body = "GET /hello/<name>, GET /files/<any/path>, POST /echo, GET /stats\n"};
  });
  routes.add("GET", "/hello/:name", [](const request&, const path_params& params) -> response {
    return {.body = "hello, " + params["name"] + "\n"};
  });
  routes.add("GET", "/hello/world", [](const request&, const path_params&) -> response {
    return {.body = "hello, whole world\n"};  // the literal route wins over :name
  });
  routes.add("GET", "/files/*path", [](const request&, const path_params& params) -> response {
    return {.body = "you asked for " + params["path"] + "\n"};
  });
  routes.add("POST", "/echo", [](const request& asked, const path_params&) -> response {
    const std::string* type = asked.find("Content-Type");
    return {.body = asked.body, .content_type = type != nullptr ? *type : "application/octet-stream"};
  });
  routes.add("GET", "/stats", [](const request&, const path_params&) -> response {
    const auto stats = sennit::runtime::current()->stats();
    return {.body = "fibers spawned " + std::to_string(stats.spawned) + "\nswitches " + std::to_string(stats.switches) +
                    "\nreads " + std::to_string(stats.reads) + "\nwrites " + std::to_string(stats.writes) + "\n"};
  });
  return routes;
}

}  // namespace

int main(int argc, char** argv) try {
  example::command_line line("A small HTTP/1.1 server.", 7007);
  line.parse(argc, argv);
  example::stop_signal stop;
  const http::router routes = make_routes();

  sennit::run(line.runtime_options(), [&] {
    auto listener = sennit::tcp_listener::bind(line.address());
    std::cout << "listening on " << listener.local_endpoint() << std::endl;

    sennit::scope server(sennit::on_exception::log);
    server.spawn({.name = "accept"}, [&] {
      for (;;)
        server.spawn({.name = "session"}, [&, stream = listener.accept()]() mutable {
          http::serve(stream, [&](const http::request& asked) { return http::dispatch(routes, asked); });
        });
    });
    std::cout << "stopping on " << stop.wait() << std::endl;
    server.request_stop();
    server.join();
  });
} catch (const std::exception& e) {
  std::cerr << "07_http_server: " << e.what() << '\n';
  return 1;
}

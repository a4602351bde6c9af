// Rung 8: handlers that wait. GET /<ms>/<message> answers with the message after that many milliseconds.
//
// The handler (support/delay_routes.hpp) just sleeps. On a thread that would hold up a thread; here thousands of
// requests sleep at the same time on a few workers. Rung 8b sends them, rung 0 sends five by hand.
//
//   08_delay_server --port 7008 &   then   curl http://127.0.0.1:7008/1000/good-morning
#include <iostream>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/delay_routes.hpp"
#include "support/http_session.hpp"
#include "support/stop_signal.hpp"

int main(int argc, char** argv) try {
  example::command_line line("Answers late, on request.", 7008);
  line.parse(argc, argv);
  example::stop_signal stop;
  const http::router routes = example::delay_routes();

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
    server.request_stop();  // also those who sleep in a handler
    server.join();
  });
} catch (const std::exception& e) {
  std::cerr << "08_delay_server: " << e.what() << '\n';
  return 1;
}

// Rung 10: how a server ends without dropping an answer, in phases that each have an end.
//
//   1. Stop accepting: the listener is closed; who knocks now is refused at once and can try elsewhere.
//   2. Drain: connections that only wait for their client are closed, busy ones finish and say "Connection: close".
//   3. Deadline: who is still busy is named and stopped: the wait it is in, or its next one, throws operation_canceled.
//   4. Who ignores even that is named by the runtime (see the log) and left behind. The process ends all the same.
//
//   GET /<ms>/<message>            answers after that time, and can be stopped
//   GET /stubborn/<ms>/<message>   shields itself against stops: not a nice thing to do for long
#include <iostream>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/connection_table.hpp"
#include "support/delay_routes.hpp"
#include "support/http_session.hpp"
#include "support/stop_signal.hpp"

namespace {

http::router make_routes() {
  http::router routes = example::delay_routes();
  routes.add("GET", "/stubborn/:ms/*message", [](const http::request& asked, const http::path_params& params) {
    sennit::shield no_stop_reaches_me;
    return example::answer_later(asked, params);
  });
  return routes;
}

void session(example::connection_table& table, const http::router& routes, sennit::tcp_stream accepted) {
  example::tracked_stream stream{table, table.enter(std::move(accepted))};
  try {
    http::serve(stream, [&](const http::request& asked) {
      table.set_busy(stream.self, asked.path);
      http::response answer = http::dispatch(routes, asked);
      answer.close = !table.set_busy(stream.self, asked.path);
      return answer;
    });
  } catch (const std::system_error&) {
    // Closed by drain() or stopped at the deadline: the end of this connection, as intended.
  }
  table.leave(stream.self);
}

}  // namespace

int main(int argc, char** argv) try {
  int drain_ms = 1000;
  example::command_line line("Ends gracefully.", 7010);
  line.add("--drain", drain_ms, "ms that busy requests get to finish after a signal");
  line.parse(argc, argv);
  example::stop_signal stop;
  const http::router routes = make_routes();
  example::connection_table table;

  sennit::runtime runtime(line.runtime_options());
  runtime.run([&] {
    auto listener = sennit::tcp_listener::bind(line.address());
    std::cout << "listening on " << listener.local_endpoint() << std::endl;
    sennit::fiber acceptor({.name = "accept"}, [&] {
      std::error_code closed;
      for (auto stream = listener.accept(closed); !closed; stream = listener.accept(closed))
        sennit::go({.name = "session"}, session, std::ref(table), std::cref(routes), std::move(stream));
    });
    std::cout << "stopping on " << stop.wait() << std::endl;

    listener.close();
    acceptor.join();
    std::cout << "1. no new connections" << std::endl;
    std::cout << "2. " << table.drain() << " busy; they have " << drain_ms << " ms" << std::endl;
    if (table.wait_until_empty(std::chrono::steady_clock::now() + std::chrono::milliseconds(drain_ms))) return;
    std::cout << "3. the deadline has passed" << std::endl;
    for (const auto& what : table.busy()) std::cout << "   still busy: " << what << std::endl;
  });
  const bool all_ended = runtime.shutdown(std::chrono::milliseconds(500));  // stops all; the log names who will not
  std::cout << (all_ended ? "stopped, nothing is left" : "4. stopped, and left behind what the log names") << std::endl;
  return all_ended ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "10_graceful_shutdown: " << e.what() << '\n';
  return 1;
}

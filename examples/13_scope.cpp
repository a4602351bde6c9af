// Rung 13: structured concurrency: several requests at once, as one thing that succeeds or fails.
//
// A scope owns its children. They end before it does, whatever happens: none is forgotten, and none outlives the
// variables that it works on. The first exception stops the siblings, wherever they wait (here: in a read from a server
// that would answer in a minute), and join() throws it. max_running bounds how many run at once: spawn() waits for
// room.
//
// So the function below reads like the loop over its paths that it would be without fibers: all bodies, in order, or
// the exception of the one that failed.
//
//   13_scope              with a server of its own, in the same process
//   13_scope --port 7008  with 08_delay_server
#include <chrono>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/delay_routes.hpp"
#include "support/http_get.hpp"
#include "support/http_session.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

std::vector<std::string> fetch_all(const sennit::endpoint& server, const std::vector<std::string>& paths,
                                   std::size_t max_running) {
  std::vector<sennit::child<std::string>> answers;
  sennit::scope requests({.max_running = max_running});
  for (const auto& path : paths)  // spawn() throws what has failed meanwhile, as join() does
    answers.push_back(requests.spawn({.name = "fetch"}, http::get, server, path, std::chrono::minutes(2)));
  requests.join();
  std::vector<std::string> bodies;
  for (auto& answer : answers) bodies.push_back(answer.get());
  return bodies;
}

void show(const sennit::endpoint& server, const std::vector<std::string>& paths, std::size_t max_running) {
  const auto start = clock_type::now();
  try {
    for (const auto& body : fetch_all(server, paths, max_running)) std::cout << body << '\n';
  } catch (const std::runtime_error& e) {
    std::cout << e.what() << '\n';
  }
  std::cout << "after " << std::chrono::duration_cast<std::chrono::milliseconds>(clock_type::now() - start).count()
            << " ms" << std::endl;
}

void demonstrate(const sennit::endpoint& server, std::size_t max_running) {
  std::cout << "four requests, " << max_running << " at a time:" << '\n';
  show(server, {"/200/one", "/100/two", "/200/three", "/100/four"}, max_running);
  std::cout << "one of four fails, all at once:" << '\n';
  show(server, {"/60000/slow", "/60000/slower", "/soon/never", "/60000/slowest"}, 0);
}

}  // namespace

int main(int argc, char** argv) try {
  std::size_t max_running = 2;
  example::command_line line("Several requests at once, all or nothing.", 7008);
  line.add("--max-running", max_running, "requests at a time; 0: no limit");
  line.parse(argc, argv);
  const http::router routes = example::delay_routes();

  sennit::run(line.runtime_options(), [&] {
    if (line.port_given()) return demonstrate(line.address(), max_running);
    auto listener = sennit::tcp_listener::bind("127.0.0.1:0");
    sennit::scope server(sennit::on_exception::log);  // its end stops the server: accept() throws, as do open sessions
    server.spawn({.name = "accept"}, [&] {
      for (;;)
        server.spawn({.name = "session"}, [&, stream = listener.accept()]() mutable {
          http::serve(stream, [&](const http::request& asked) { return http::dispatch(routes, asked); });
        });
    });
    demonstrate(listener.local_endpoint(), max_running);
  });
} catch (const std::exception& e) {
  std::cerr << "13_scope: " << e.what() << '\n';
  return 1;
}

// One sennit fiber per connection, the same handler text as on threads.
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/sennit.hpp>

#include "echo/handler.hpp"
#include "echo/server.hpp"

int main(int argc, char** argv) try {
  const auto options = bench::server_setup(argc, argv, "Echo server: one sennit fiber per connection.", 1024);
  sennit::options runtime_options;
  runtime_options.workers = options.workers;
  sennit::runtime runtime(runtime_options);
  std::uint64_t accepted = 0;
  runtime.run([&] {
    auto listener = sennit::tcp_listener::bind(sennit::endpoint(options.host, options.port));
    bench::announce(options.host, listener.local_endpoint().port());
    sennit::scope connections(sennit::on_exception::log);
    bench::stop_signals stop([&] { listener.close(); });
    for (;;) {
      std::error_code error;
      auto stream = listener.accept(error);
      if (error) break;  // closed by the stop signal
      ++accepted;
      try {
        connections.spawn([s = std::move(stream)]() mutable { bench::echo(s); });
      } catch (const std::system_error& e) {
        bench::report_limit("fibers: spawn failed after " + std::to_string(accepted) + " connections (" + e.what() +
                            ")");
      }
    }
    connections.request_stop();
  });
  bench::report_end("fibers", accepted);
} catch (const std::exception& e) {
  std::fprintf(stderr, "echo_fibers: %s\n", e.what());
  return 1;
}

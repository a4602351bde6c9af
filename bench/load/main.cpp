// load: drives an echo server on loopback and prints what it saw as one JSON line.
// Exit codes: 0 all echoes came back right, 1 bytes were lost or wrong or connections failed, 2 bad usage, 3 a limit of
// the machine or a silent server stopped the run (the reason is on stderr and in "limit").
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <iostream>

#include "common/json.hpp"
#include "common/process.hpp"
#include "load/generator.hpp"

int main(int argc, char** argv) {
  bench::load_options options;
  double warmup = options.warmup.count();
  double duration = options.duration.count();
  double connect_timeout = options.connect_timeout.count();
  CLI::App app("Load generator for echo servers on loopback: closed loop, or open loop with --rate.", "load");
  app.add_option("--host", options.host, "Address in 127.0.0.0/8")->capture_default_str();
  app.add_option("--port", options.port, "Port of the server")->required();
  app.add_option("--connections", options.connections)->capture_default_str()->check(CLI::Range(1, 1'000'000));
  app.add_option("--size", options.size, "Bytes per message")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  app.add_option("--rate", options.rate, "Requests per second in all, at intended send times; 0 = closed loop")
      ->check(CLI::Range(0.0, 1e8));
  app.add_option("--warmup", warmup, "Seconds before the measured window")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 600.0));
  app.add_option("--duration", duration, "Seconds of the measured window")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  app.add_option("--requests", options.requests, "End the window after this many; 0 = by duration alone");
  app.add_option("--connect-timeout", connect_timeout, "Seconds until every connection must have had an echo")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 600.0));
  app.add_option("--server-pid", options.server_pid,
                 "Also measure this process: CPU per request, memory per connection");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  options.warmup = std::chrono::duration<double>(warmup);
  options.duration = std::chrono::duration<double>(duration);
  options.connect_timeout = std::chrono::duration<double>(connect_timeout);
  bench::raise_open_files(options.connections + 64);

  bench::load_result result;
  try {
    result = bench::run_load(options);
  } catch (const std::exception& e) {
    result.limit = e.what();
  }

  const auto us = [&](double percent) { return static_cast<double>(result.latency.percentile(percent)) / 1e3; };
  bench::json_object json;
  json.add("connections", options.connections).add("size", options.size);
  json.add("loop", options.rate > 0 ? "open" : "closed").add("rate", options.rate);
  json.add("requests", result.requests).add("seconds", result.seconds);
  json.add("requests_per_second", result.seconds > 0 ? static_cast<double>(result.requests) / result.seconds : 0.0);
  json.add("errors", result.errors).add("wrong_bytes", result.wrong_bytes).add("lost_bytes", result.lost_bytes);
  json.add("p50_us", us(50)).add("p99_us", us(99)).add("p99_9_us", us(99.9));
  json.add("max_us", static_cast<double>(result.latency.max()) / 1e3);
  json.add("connect_s", result.connect_seconds).add("all_served_s", result.served_seconds);
  if (options.server_pid > 0 && result.requests > 0) {
    json.add("server_cpu_us_per_request", result.server_cpu_ns / 1e3 / static_cast<double>(result.requests));
    json.add("server_bytes_per_connection", result.server_memory_bytes / options.connections);
  }
  json.add("limit", result.limit);
  std::cout << json.str() << std::endl;

  if (!result.limit.empty()) {
    std::cerr << "load: " << result.limit << '\n';
    return 3;
  }
  return result.errors + result.wrong_bytes + result.lost_bytes == 0 ? 0 : 1;
}

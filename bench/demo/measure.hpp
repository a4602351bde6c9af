#pragma once
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// One run: one server, one number of connections, closed loop (rate 0) or open loop at `rate` requests per second.
struct run_plan {
  std::string server;  // epoll, threads or fibers: bench/echo_<server>
  int connections = 0;
  double rate = 0;
  double warmup = 0.5;
  double duration = 4;
};

/// What came out. Without `measured` only `note` is set: what stopped it, in words.
struct row {
  run_plan plan;
  bool measured = false;
  bool wrong = false;  // bytes lost or changed, or a program failed: not a limit of the machine but a bug
  std::string note;
  double requests_per_second = std::nan("");
  double p50_us = std::nan("");
  double p99_us = std::nan("");
  double p99_9_us = std::nan("");
  double cpu_us = std::nan("");        // server CPU time, user and system, per request
  double memory_bytes = std::nan("");  // server memory gained per connection
  double all_served_s = std::nan("");  // first connect() until every connection has had an echo
};

/// Where the programs are and which CPU each side gets.
struct machine {
  std::string programs;  // folder of load and echo_*
  int server_cpu = 0;
  int load_cpu = 0;
  int cpus = 1;
  std::string description;  // one line: system, CPUs, how they are shared
};
machine this_machine();

/// CPU seconds used so far: by the whole machine, and by this process with the children it has waited for. What others
/// used between two moments spoils the numbers and must be told.
struct cpu_use {
  double machine_s = 0;
  double own_s = 0;
  static cpu_use now();
};

/// Runs one plan; `tick` is called a few times a second meanwhile. Bounded in time; throws only if a program is
/// missing.
row measure(const machine& on, const run_plan& plan, const std::function<void()>& tick);

}  // namespace bench

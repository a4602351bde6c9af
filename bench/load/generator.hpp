#pragma once
// The load generator: one thread, raw epoll, nothing of sennit in it, so that it measures a server from outside.
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "load/histogram.hpp"

namespace bench {

struct load_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::uint32_t connections = 64;
  std::uint32_t size = 64;  // bytes per message
  double rate = 0;          // requests per second over all connections; 0 = closed loop
  std::chrono::duration<double> warmup{0.5};
  std::chrono::duration<double> duration{5};
  std::uint64_t requests = 0;  // ends the measured window early; 0 = only the duration does
  std::chrono::duration<double> connect_timeout{30};
  std::chrono::duration<double> drain_timeout{5};
  pid_t server_pid = 0;  // read this process's CPU time and memory around the measured window
};

struct load_result {
  std::uint64_t requests = 0;      // echoes complete within the measured window
  double seconds = 0;              // length of that window
  std::uint64_t errors = 0;        // connections that failed, and requests that never got their echo
  std::uint64_t wrong_bytes = 0;   // came back different, or were never sent
  std::uint64_t lost_bytes = 0;    // sent and not back when the drain ended
  histogram latency;               // ns; closed loop: from the send, open loop: from the intended send time
  double connect_seconds = 0;      // first connect() until the last connection is established
  double served_seconds = 0;       // first connect() until every connection has had one echo
  double server_cpu_ns = 0;        // of the server within the window (server_pid)
  double server_memory_bytes = 0;  // of the server, gained from before the first connect() to the end of the window
  std::string limit;               // what stopped the run before it could measure; empty = it ran
};

/// Runs one measurement. Always ends: connect_timeout, warm-up, duration and drain_timeout bound it. A limit of the
/// machine or a server that does not answer is told in `limit`; throws std::system_error only for what cannot be.
/// Refuses hosts outside 127.0.0.0/8: it exists to measure, not to be pointed at others.
load_result run_load(const load_options& options);

}  // namespace bench

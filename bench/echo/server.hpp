#pragma once
// What the three echo servers share: options, the stop signals, and what they print.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace bench {

struct server_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = any free one
  unsigned workers = 1;
};

/// Parses --host, --port, --workers and --stop-with-parent; prints help or the error and exits when that is the answer.
/// `most_workers` is what the server at hand can use; asking for more is an error that says so. Blocks SIGINT and
/// SIGTERM, so call it before any thread exists, and raises the limit of open files.
server_options server_setup(int argc, char** argv, const char* description, unsigned most_workers);

/// Calls `on_stop` once, on a thread of its own, at SIGINT or SIGTERM. The destructor waits until a call under way has
/// returned.
class stop_signals {
 public:
  explicit stop_signals(std::function<void()> on_stop);
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

 private:
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

/// A listening IPv4 socket (SO_REUSEADDR, largest backlog) for the servers that are not sennit's. Throws
/// std::system_error.
int listen_on(const server_options& options, bool non_blocking);
std::uint16_t local_port(int fd);

/// "listening on HOST:PORT", flushed: whoever started the server waits for it.
void announce(const std::string& host, std::uint16_t port);

/// "limit: TEXT", the first time only: what stops this server from serving more connections. Any thread.
void report_limit(const std::string& text);

/// The last line: CPU time of this process and connections accepted, as JSON.
void report_end(const char* server, std::uint64_t accepted);

}  // namespace bench

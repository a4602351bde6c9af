#pragma once
// A page in the browser that shows what the fibers of this process do. Component sennit::inspector, on Boost.Beast.
#include <chrono>
#include <cstddef>
#include <memory>

#include <sennit/detail/config.hpp>
#include <sennit/tcp.hpp>

namespace sennit::inline v0 {

/// Serves, while it lives, over HTTP:
///
///   /             the page: workers, fibers by groups, who waits for whom, reports, and a button that records a trace
///   /state.json   what it shows
///   /metrics      write_metrics(): for Prometheus
///   /fibers.json  dump_fibers() as JSON, of 10 000 fibers at most;  /fibers.txt as text
///   /trace.json?runtime=NAME&ms=N  records that runtime for so long, at most options::max_trace, and answers with the
///                                  latest 65 536 events of all its workers
///
/// It changes nothing, and has a runtime of its own with one worker, so that it answers while all others are stuck;
/// that runtime is not shown. Whoever reaches the address sees names, addresses and code locations of the program:
/// without a reason leave it at 127.0.0.1. Requests under a host name other than localhost are refused, so that no page
/// of somebody else's can read it through a name of its own. At most max_connections at a time, each for at most
/// request_timeout a request; what is expensive is answered to all from one look, at most five times a second. So it
/// holds a few MiB and takes a bounded part of a CPU, whoever asks however often.
class inspector {
 public:
  struct options {
    std::size_t max_connections = 32;
    std::chrono::nanoseconds request_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds max_trace = std::chrono::seconds(10);
  };

  /// Listens at once. Port 0: any. Throws std::system_error with the endpoint in its message, as tcp_listener::bind().
  SENNIT_API explicit inspector(const endpoint& at, const options& opts);
  explicit inspector(const endpoint& at = endpoint("127.0.0.1", 7322)) : inspector(at, options{}) {}
  /// Ends what is under way. From a plain thread or a fiber of another runtime.
  SENNIT_API ~inspector();
  inspector(const inspector&) = delete;
  inspector& operator=(const inspector&) = delete;

  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace sennit::inline v0

#pragma once
// Servers: listeners on all workers, a fiber for each connection, and an end in which nobody is lost.
//
//   sennit::tcp_server server("[::]:7000", [](sennit::tcp_stream s) { echo(s); });
//   wait_for_a_signal();
//   server.stop(30s);
#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sennit/runtime.hpp>
#include <sennit/tcp.hpp>
#include <sennit/unix.hpp>

namespace sennit::inline v0 {

/// Which worker gets a connection.
enum class steering : std::uint8_t {
  /// A listener for each worker, all at one port (SO_REUSEPORT). The kernel chooses one by a hash of both addresses.
  hash,
  /// The same; the connection goes to the worker whose number is that of the CPU that its first packet came in on,
  /// modulo workers. For programs that keep worker n on CPU n, with a queue of the network card for each. Where the
  /// kernel refuses, it is hash, and the log says so.
  cpu,
  /// One listener. Whoever it wakes accepts for all.
  one_listener,
};

/// What a server does with each of its connections. A value.
struct connection_options {
  std::string name = "connection";  ///< of the fibers
  std::size_t stack_size = 0;       ///< of the fibers; 0: the runtime's
  /// Bounds how many run at once; the others wait in the backlogs. 0: no bound. With several listeners each has its
  /// part of it, rounded up.
  std::size_t max_running = 0;
  /// A connection stays on the worker that accepted it, and so does who accepts; with one listener connections take
  /// turns among the workers. Nothing is shared then, and nothing is balanced either: work is not stolen, and a worker
  /// that is stuck holds up all that are its own. Otherwise a connection begins on that worker, and who has nothing to
  /// do may take it over.
  bool pinned = false;
};

/// Counters of a server, or of one of its listeners.
struct server_stats {
  std::uint64_t accepted = 0;
  std::uint64_t finished = 0;   ///< handlers that have returned or thrown
  std::uint64_t failed = 0;     ///< of these: thrown, but for the stop of the server
  std::uint64_t dropped = 0;    ///< accepted, and closed without a handler: no memory for a fiber, or stopped
  std::uint64_t batches = 0;    ///< looks at a backlog that found somebody
  std::uint64_t shortages = 0;  ///< pauses for lack of descriptors or memory

  /// Handlers that run, or are about to.
  [[nodiscard]] std::uint64_t running() const noexcept { return accepted - finished - dropped; }
};

/// Whom stop() did not get to end by itself, each as "connection #17 of 192.0.2.1:4711": the name of its fiber, the
/// fiber's id and the peer. The log has them too.
struct drain_report {
  std::vector<std::string> stopped;  ///< still ran at the deadline, and were stopped
  std::vector<std::string> left;     ///< of these: still run, whatever they were told
};

namespace detail {

class server_core;
class server_shard;

struct end_server {
  SENNIT_API void operator()(server_core* core) const noexcept;
};
using server_owner = std::unique_ptr<server_core, end_server>;

/// The caller's; throws std::system_error(operation_not_permitted) on a plain thread.
SENNIT_API runtime& runtime_of_server();

/// What runs a connection; called by many fibers at once.
class connection_handler {
 public:
  virtual ~connection_handler() = default;
  virtual void run(io_handle connection) = 0;
};

/// Makes the streams of what a server has accepted.
struct server_access {
  template <class Stream, class F>
  class handler final : public connection_handler {
   public:
    explicit handler(F f) : f_(std::move(f)) {}
    void run(io_handle connection) override { std::invoke(f_, Stream(std::move(connection))); }

   private:
    F f_;
  };
  template <class Stream, class F>
  static std::unique_ptr<connection_handler> make(F&& f) {
    return std::make_unique<handler<Stream, std::decay_t<F>>>(std::forward<F>(f));
  }
};

template <class F, class Stream>
concept handles = std::invocable<std::decay_t<F>&, Stream>;

/// What servers have in common. Movable handle; one fiber or thread at a time, stats() any.
///
/// Its fibers belong to its runtime. An exception that leaves a handler is logged with the fiber's name and ends that
/// connection alone. When the runtime is shut down all of them are stopped, as other fibers are. The destructor stops
/// without a grace, and then waits until every handler has returned, however long that takes.
class server {
 public:
  server(server&& other) noexcept = default;
  server& operator=(server&& other) noexcept = default;
  ~server() = default;

  /// Ends the server so that nobody is lost. From now on nobody new gets in, and who has got in is still accepted and
  /// served. (Linux; elsewhere who comes in the moment between the last accept and the close of the listener is reset.
  /// On TCP who tries meanwhile hears nothing at first, and is refused a second later, when his system tries again.)
  /// Then it waits, at most for `grace`, until all handlers have returned. Those that have not are stopped, as a scope
  /// stops its children, and get `options::stop_timeout` to end. Ambient cancellation point: throws
  /// std::system_error(operation_canceled), and nobody but those who accept has been stopped then. It may be called
  /// again, for those that are left.
  template <class Rep, class Period>
  drain_report stop(const std::chrono::duration<Rep, Period>& grace) {
    return stop_before(deadline_in(grace));
  }
  /// The same with a deadline.
  template <class Clock, class Duration>
  drain_report stop(const std::chrono::time_point<Clock, Duration>& deadline) {
    return stop_before(deadline_at(deadline));
  }

  /// Where it listens; a port of 0 has become the one that it is.
  [[nodiscard]] SENNIT_API endpoint local_endpoint() const;
  /// How many listeners it has: one for each worker, if steering has it so and the system can.
  [[nodiscard]] SENNIT_API unsigned listeners() const noexcept;
  [[nodiscard]] SENNIT_API server_stats stats() const;
  /// The counters of one listener, below listeners().
  [[nodiscard]] SENNIT_API server_stats stats(unsigned listener) const;

 protected:
  explicit server(server_owner core) noexcept : core_(std::move(core)) {}
  server_owner core_;

 private:
  SENNIT_API drain_report stop_before(nanos deadline);
};

}  // namespace detail

/// A TCP server; detail::server says how it runs and ends.
class tcp_server : public detail::server {
 public:
  struct options {
    /// Of each listener. With reuse_port other processes of this user may listen at the same port and get their part of
    /// the connections, so that one can take over from another. Otherwise one that somebody has is address_in_use, and
    /// so is this one for everybody else; only a program of this user that asks for a share (SO_REUSEPORT) gets in
    /// beside several listeners. With steering::one_listener it does not.
    tcp_listener::options listener = {};
    sennit::steering steering = sennit::steering::hash;
    connection_options connections = {};
    /// How long stop() lets handshakes go on that have begun: a round trip to the farthest client.
    std::chrono::nanoseconds handshake_time = std::chrono::milliseconds(50);
    /// What stop() gives those that it has stopped.
    std::chrono::nanoseconds stop_timeout = std::chrono::seconds(1);
  };

  /// Listens at `at` and calls handler(tcp_stream) for each connection in a fiber of its own; the handler is copied or
  /// moved once, and the calls overlap. It belongs to the caller's runtime. Throws std::system_error with the endpoint
  /// in its message, as tcp_listener::bind(); operation_not_permitted on a plain thread.
  template <detail::handles<tcp_stream> F>
  tcp_server(const endpoint& at, const options& opts, F&& handler)
      : tcp_server(detail::runtime_of_server(), at, opts, std::forward<F>(handler)) {}
  template <detail::handles<tcp_stream> F>
  tcp_server(const endpoint& at, F&& handler) : tcp_server(at, options{}, std::forward<F>(handler)) {}
  /// The same in another runtime, also from a plain thread. The runtime outlives the server.
  template <detail::handles<tcp_stream> F>
  tcp_server(runtime& in, const endpoint& at, const options& opts, F&& handler)
      : server(start(in, at, opts, detail::server_access::make<tcp_stream>(std::forward<F>(handler)))) {}

 private:
  SENNIT_API static detail::server_owner start(runtime& in, const endpoint& at, const options& opts,
                                               std::unique_ptr<detail::connection_handler> handler);
};

/// A server on a Unix stream socket; detail::server says how it runs and ends. Unix sockets share no name, so that it
/// has one listener. Where a pinned connection goes, connection_options tells.
class unix_server : public detail::server {
 public:
  struct options {
    /// A path is removed when the server stops, unless that is turned off.
    unix_listener::options listener = {.unlink_on_close = true};
    connection_options connections = {};
    /// As tcp_server's.
    std::chrono::nanoseconds stop_timeout = std::chrono::seconds(1);
  };

  /// As tcp_server's, with handler(unix_stream) and the errors of unix_listener::bind().
  template <detail::handles<unix_stream> F>
  unix_server(const endpoint& at, const options& opts, F&& handler)
      : unix_server(detail::runtime_of_server(), at, opts, std::forward<F>(handler)) {}
  template <detail::handles<unix_stream> F>
  unix_server(const endpoint& at, F&& handler) : unix_server(at, options{}, std::forward<F>(handler)) {}
  template <detail::handles<unix_stream> F>
  unix_server(runtime& in, const endpoint& at, const options& opts, F&& handler)
      : server(start(in, at, opts, detail::server_access::make<unix_stream>(std::forward<F>(handler)))) {}

 private:
  SENNIT_API static detail::server_owner start(runtime& in, const endpoint& at, const options& opts,
                                               std::unique_ptr<detail::connection_handler> handler);
};

}  // namespace sennit::inline v0

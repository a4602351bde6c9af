#pragma once
// One listener of a server, the fiber that accepts there, and the connections that came that way.
#include <memory>
#include <string>
#include <vector>

#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>
#include <sennit/server.hpp>

#include "net/acceptor.hpp"

namespace sennit::inline v0::detail {

class worker;

/// A socket that listens, and the path that goes with it, if any.
struct listening {
  io_handle handle;
  std::string path = {};
};

/// What all shards of a server have in common. Constant once it serves.
struct server_setup {
  std::unique_ptr<connection_handler> handler;
  endpoint at;
  connection_options connections;
  nanos handshake_time = 0;
  nanos stop_timeout = 0;
  bool tcp = false;
  unsigned shards = 1;
};

/// Owned by its server_core, which outlives the fiber that serves. Any thread, but for serve().
class server_shard {
 public:
  server_shard(const server_setup& setup, listening at) noexcept
      : setup_(setup), listener_(std::move(at.handle)), path_(std::move(at.path)) {}
  server_shard(const server_shard&) = delete;
  server_shard& operator=(const server_shard&) = delete;
  ~server_shard() { close(); }

  /// The body of the fiber that accepts, which is pinned: on the worker of that number if the server has one listener
  /// for each. Returns when the listener is closed and all connections have ended: `stop`, begin_drain() before it, or
  /// the runtime's shutdown makes it do so.
  void serve(unsigned index, const stop_token& stop) noexcept;

  /// Nobody new gets in. Before the fiber is told to stop: then it takes what is in the backlog, until `deadline` if it
  /// has to wait for room or descriptors.
  void begin_drain(nanos deadline) noexcept;
  /// An ambient stop for all connections.
  void stop_connections();

  [[nodiscard]] server_stats stats() const noexcept;
  /// The names of those that run.
  [[nodiscard]] std::vector<std::string> running() const;

 private:
  class running_connection;
  class accepted_connection;
  /// What is left to accept once the server stops. The accepting fiber's.
  struct last_round {
    nanos deadline;
    std::size_t newcomers;
    bool looked = false;  // once more, after the time was over
    [[nodiscard]] bool is_over(std::size_t came) noexcept;
  };

  void close() noexcept;
  void accept_all(scope& connections, const stop_token& stop);
  void start(scope& connections, accepted& one);
  void run(accepted_connection& one, const peer_address& peer, worker* there);
  void add(std::uint64_t server_stats::* which, std::uint64_t n = 1) noexcept;
  [[nodiscard]] last_round begin_last_round() noexcept;

  const server_setup& setup_;
  io_handle listener_;
  std::string path_;          // until it is removed
  unsigned next_worker_ = 0;  // the accepting fiber's: whose turn a pinned connection is

  mutable spin_lock lock_;
  server_stats stats_ SENNIT_GUARDED_BY(lock_);
  running_connection* first_ SENNIT_GUARDED_BY(lock_) = nullptr;
  nanos drain_deadline_ SENNIT_GUARDED_BY(lock_) = 0;
  bool refused_ SENNIT_GUARDED_BY(lock_) = false;

  mutex scope_mutex_;  // guards these, and is held while somebody stops the scope, so that it cannot go meanwhile
  scope* connections_ = nullptr;
  bool stopped_ = false;
};

}  // namespace sennit::inline v0::detail

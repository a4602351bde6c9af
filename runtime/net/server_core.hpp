#pragma once
// A server: its listeners, each with the fiber that accepts there, and its end.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <sennit/server.hpp>

#include "net/server_shard.hpp"

namespace sennit::inline v0::detail {

/// Owned by one server object; one fiber or thread at a time, but for what is const.
class server_core {
 public:
  /// Starts a fiber for each listener. Throws as runtime::spawn().
  static server_owner start(runtime& in, server_setup setup, std::vector<listening> listeners);
  ~server_core();
  server_core(const server_core&) = delete;
  server_core& operator=(const server_core&) = delete;

  drain_report stop(nanos deadline);

  [[nodiscard]] const endpoint& at() const noexcept { return setup_.at; }
  [[nodiscard]] std::span<const std::unique_ptr<server_shard>> shards() const noexcept { return shards_; }

 private:
  server_core(server_setup setup, std::vector<listening> listeners);
  void stop_accepting(nanos deadline) noexcept;
  bool join_until(nanos deadline);
  [[nodiscard]] std::vector<std::string> running() const;
  void tell(const std::vector<std::string>& who, const char* what) const;

  const server_setup setup_;
  std::vector<std::unique_ptr<server_shard>> shards_;
  std::vector<fiber> acceptors_;
  bool stopping_ = false;
};

}  // namespace sennit::inline v0::detail

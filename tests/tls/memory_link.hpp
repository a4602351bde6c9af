#pragma once
// Two ends of a connection in memory, with somebody in the middle who changes bytes.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/condition_variable.hpp>
#include <sennit/mutex.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::test {

/// Outlives its ends, which two fibers have. Writes never wait. When both ends wait for each other, as after a length
/// that was changed, the connection is cut: a test of what is received must not depend on time limits.
class memory_link {
 public:
  /// One byte of what an end sends, counted from its first, is changed by exclusive or.
  struct change {
    std::size_t from;  // 0 or 1
    std::size_t offset;
    std::uint8_t mask;
  };
  using tampering = std::vector<change>;

  /// One end, as tls_stream wants its stream. A cheap handle.
  class half {
   public:
    half(memory_link& link, std::size_t mine) : link_(&link), mine_(mine) {}
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token&) {
      ec.clear();
      return link_->read(mine_, into);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token&) {
      ec.clear();
      if (link_->write(mine_, from)) return from.size();
      ec = std::make_error_code(std::errc::broken_pipe);
      return 0;
    }
    void expires_at(std::chrono::steady_clock::time_point) {}
    void close() { link_->close(mine_); }

   private:
    memory_link* link_;
    std::size_t mine_;
  };

  explicit memory_link(tampering changes) : changes_(std::move(changes)) {}
  [[nodiscard]] half end(std::size_t which) { return {*this, which}; }
  /// No byte has been changed.
  [[nodiscard]] bool untouched() const noexcept { return !touched_; }

 private:
  struct direction {
    std::string under_way;
    std::size_t sent = 0;
    bool closed = false;
    bool waited_for = false;
  };

  std::size_t read(std::size_t me, std::span<std::byte> into) {
    std::unique_lock guard(lock_);
    direction& in = ways_[1 - me];
    in.waited_for = true;
    while (in.under_way.empty() && !in.closed) {
      // Nothing is under way to the other one either, and it waits for us.
      if (ways_[me].waited_for && ways_[me].under_way.empty()) {
        ways_[0].closed = ways_[1].closed = true;
        changed_.notify_all();
        break;
      }
      changed_.wait(guard);
    }
    in.waited_for = false;
    const std::size_t n = std::min(into.size(), in.under_way.size());
    std::copy_n(in.under_way.begin(), n, reinterpret_cast<char*>(into.data()));
    in.under_way.erase(0, n);
    return n;
  }

  bool write(std::size_t me, std::span<const std::byte> from) {
    const std::lock_guard guard(lock_);
    direction& out = ways_[me];
    if (out.closed) return false;
    std::string bytes(reinterpret_cast<const char*>(from.data()), from.size());
    for (const change& c : changes_) {
      if (c.from != me || c.mask == 0 || c.offset < out.sent || c.offset - out.sent >= bytes.size()) continue;
      bytes[c.offset - out.sent] = static_cast<char>(bytes[c.offset - out.sent] ^ c.mask);
      touched_ = true;
    }
    out.sent += bytes.size();
    out.under_way += bytes;
    changed_.notify_all();
    return true;
  }

  void close(std::size_t) {
    const std::lock_guard guard(lock_);
    ways_[0].closed = ways_[1].closed = true;
    changed_.notify_all();
  }

  const tampering changes_;
  mutex lock_;
  condition_variable changed_;
  std::array<direction, 2> ways_;
  bool touched_ = false;
};

}  // namespace sennit::test

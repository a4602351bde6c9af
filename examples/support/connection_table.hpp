#pragma once
// What a server must know of its connections to end gracefully: which are open, and which of them are busy.
#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sennit/sennit.hpp>

namespace example {

/// Shared by the fibers of all connections, under its mutex.
class connection_table {
 public:
  struct entry {
    sennit::tcp_stream stream;
    std::string busy_with = {};  // empty: it waits for its client
  };
  using handle = std::list<entry>::iterator;

  handle enter(sennit::tcp_stream stream) {
    std::lock_guard lock(mutex_);
    open_.add();
    return entries_.insert(entries_.end(), entry{std::move(stream)});
  }
  void leave(handle h) {
    std::lock_guard lock(mutex_);
    entries_.erase(h);
    open_.done();
  }

  /// Notes what the connection does now. False once the server drains: then this request is its last.
  bool set_busy(handle h, const std::string& what) {
    std::lock_guard lock(mutex_);
    h->busy_with = what;
    return !draining_;
  }

  /// From now on no connection waits for another request. Closes those that do, which wakes their fibers; the others
  /// are left to finish. Returns how many these are.
  std::size_t drain() {
    std::lock_guard lock(mutex_);
    draining_ = true;
    std::size_t busy = 0;
    for (auto& e : entries_) {
      if (e.busy_with.empty())
        e.stream.close();
      else
        ++busy;
    }
    return busy;
  }

  /// Waits until the last connection has left; false if `deadline` comes first.
  bool wait_until_empty(std::chrono::steady_clock::time_point deadline) { return open_.wait_until(deadline); }

  std::vector<std::string> busy() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (auto& e : entries_)
      if (!e.busy_with.empty()) names.push_back(e.busy_with);
    return names;
  }

 private:
  sennit::mutex mutex_;
  std::list<entry> entries_;  // a list: entries stay where they are while others come and go
  bool draining_ = false;
  sennit::wait_group open_;
};

/// A connection as http::serve() sees it: a stream that tells the table when it waits for its client.
struct tracked_stream {
  connection_table& table;
  connection_table::handle self;

  std::size_t read_some(std::span<std::byte> into) {
    if (!table.set_busy(self, "")) return 0;  // draining: as though the client had no more to say
    const std::size_t count = self->stream.read_some(into);
    table.set_busy(self, "a request that is coming in");
    return count;
  }
  void write_all(std::span<const std::byte> from) { self->stream.write_all(from); }
  void expires_after(std::chrono::milliseconds d) { self->stream.expires_after(d); }
  void shutdown_send() { self->stream.shutdown_send(); }
};

}  // namespace example
